/**
 * The local HTTP API: opens its port, says in the data directory where it is and with which token, and
 * lets nobody in without it.
 *
 * @module
 */

import { join } from "node:path";
import { isDiskFull } from "../../platform/durable_file_error.ts";
import { writePrivateFile } from "../../platform/private_file.ts";
import { encodeBase64Url } from "../../protocol/mod.ts";
import { listenError, showAddress } from "../listener.ts";
import type { Operations } from "../operations.ts";
import type { ServerParts } from "../parts.ts";
import { apiRoutes } from "./api_routes.ts";

/** The file in the data directory that tells commands where the running server's API is. */
export const API_FILE = "api.json";
const TOKEN_BYTES = 32;

/** What stands in {@linkcode API_FILE}. */
export interface ApiAccess {
  /** Such as `http://127.0.0.1:5080`. */
  url: string;
  /** To be sent as `Authorization: Bearer TOKEN`; new at every start. */
  token: string;
}

/** An open API. */
export interface ApiServer {
  /** Such as `http://127.0.0.1:5080`. */
  url: string;
  /** Tells commands again where it is, for when the disk has been full; rejects when that cannot be written. */
  publish(): Promise<void>;
  /** Ends it and what is being followed through it. */
  close(): Promise<void>;
}

/** What {@linkcode openApiServer} needs. */
export interface ApiServerOptions {
  listen: { hostname: string; port: number };
  operations: Operations;
  parts: ServerParts;
  dataDirectory: string;
}

/** Opens the API; rejects with a ListenError when its port is not to be had. */
export async function openApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { listen, operations, parts, dataDirectory } = options;
  const token = encodeBase64Url(parts.randomBytes(TOKEN_BYTES));
  const stopping = new AbortController();
  const routes = apiRoutes({
    operations,
    parts,
    token,
    hostname: listen.hostname,
    stopping: stopping.signal,
  });
  const server = serve(listen, (request) => routes.fetch(request));
  const { hostname, port } = server.addr;
  const url = `http://${showAddress(hostname, port)}`;
  const file = join(dataDirectory, API_FILE);
  const publish = async () => {
    if (await writeAccess(file, { url, token })) return;
    parts.log.error("Cannot tell hbserver's commands where it is: no room for {file}", { file });
  };
  await publish();
  return {
    url,
    publish,
    close: async () => {
      stopping.abort();
      await Deno.remove(file).catch(() => {
        // Already gone: that is what was wanted.
      });
      await server.shutdown();
    },
  };
}

/** Whether there was room. A full disk has none for a second file, but for these bytes where the last ones stand. */
async function writeAccess(file: string, access: ApiAccess): Promise<boolean> {
  const text = JSON.stringify(access);
  try {
    await writePrivateFile(file, text);
    return true;
  } catch (error) {
    if (!isDiskFull(error)) throw error;
  }
  try {
    using old = await Deno.open(file, { write: true });
    const bytes = new TextEncoder().encode(text);
    const written = await old.write(bytes);
    await old.truncate(bytes.length);
    return written === bytes.length;
  } catch {
    return false; // There is no old file, or even that does not fit.
  }
}

function serve(
  listen: { hostname: string; port: number },
  handle: (request: Request) => Response | Promise<Response>,
): Deno.HttpServer<Deno.NetAddr> {
  const { hostname, port } = listen;
  try {
    return Deno.serve({ hostname, port, onListen: () => {} }, handle);
  } catch (cause) {
    throw listenError(cause, { what: "--http", hostname, port });
  }
}
