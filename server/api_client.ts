/**
 * How hbserver's own commands talk to the running server.
 *
 * @module
 */

import { join } from "node:path";
// @ts-types="../platform/text_line_stream.d.ts"
import { TextLineStream } from "@std/streams/text-line-stream";
import * as v from "valibot";
import { readPrivateFile } from "../platform/private_file.ts";
import { CommandError, EXIT } from "./exit_code.ts";
import { API_FILE, type ApiAccess } from "./http/api_server.ts";

const access = v.object({ url: v.string(), token: v.string() });
const failure = v.object({
  error: v.object({ code: v.string(), message: v.string(), hint: v.optional(v.string()) }),
});

/** How a command ends that the server answers with an error of these codes. */
const EXIT_OF: Readonly<Record<string, number>> = {
  refused: EXIT.refused,
  unreadable: EXIT.source,
  no_space: EXIT.noSpace,
};

/** Calls the API of the server that runs on one data directory. */
export class ApiClient {
  #access: ApiAccess;
  #dataDirectory: string;

  /** See {@linkcode findServer}. */
  constructor(found: ApiAccess, dataDirectory: string) {
    this.#access = found;
    this.#dataDirectory = dataDirectory;
  }

  /** Asks for something. */
  async get<T>(path: string, query: Record<string, string | undefined> = {}): Promise<T> {
    return await (await this.#fetch(path, { query })).json();
  }

  /** Has something done. */
  async post<T>(path: string, body: object): Promise<T> {
    return await (await this.#fetch(path, { body })).json();
  }

  /** A stream of JSON objects, one per line, until the server or `signal` ends it. */
  async *stream<T>(
    path: string,
    query: Record<string, string | undefined>,
    signal: AbortSignal,
  ): AsyncGenerator<T> {
    const response = await this.#fetch(path, { query, signal });
    const body = response.body ?? new Blob().stream();
    const lines = body.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) yield JSON.parse(line) as T;
  }

  async #fetch(
    path: string,
    request: {
      query?: Record<string, string | undefined>;
      body?: object;
      signal?: AbortSignal;
    },
  ): Promise<Response> {
    const url = new URL(path, this.#access.url);
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    let response: Response;
    try {
      response = await fetch(url, {
        method: request.body === undefined ? "GET" : "POST",
        headers: { authorization: `Bearer ${this.#access.token}` },
        body: request.body === undefined ? null : JSON.stringify(request.body),
        signal: request.signal ?? null,
      });
    } catch (cause) {
      if (request.signal?.aborted) throw cause;
      throw noServer(this.#dataDirectory, cause);
    }
    if (response.ok) return response;
    const { error } = v.parse(failure, await response.json());
    const code = EXIT_OF[error.code] ?? EXIT.failed;
    throw new CommandError(code, error.message, { hint: error.hint });
  }
}

/** The running server of a data directory; throws a CommandError with exit code 3 when there is none. */
export async function findServer(dataDirectory: string): Promise<ApiClient> {
  let text: string | undefined;
  try {
    text = await readPrivateFile(join(dataDirectory, API_FILE));
  } catch (cause) {
    if (!(cause instanceof Deno.errors.PermissionDenied)) throw cause;
    throw new CommandError(
      EXIT.failed,
      `Cannot read "${join(dataDirectory, API_FILE)}": it belongs to another user`,
      { hint: "run this command as the user that runs the server", cause },
    );
  }
  if (text === undefined) throw noServer(dataDirectory);
  return new ApiClient(v.parse(access, JSON.parse(text)), dataDirectory);
}

function noServer(dataDirectory: string, cause?: unknown): CommandError {
  return new CommandError(
    EXIT.cannotConnect,
    `Cannot reach the server: none is running on the data directory "${dataDirectory}"`,
    { hint: "start it with hbserver run, or name its directory with --data DIR", cause },
  );
}
