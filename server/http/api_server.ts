/**
 * The local HTTP API: opens its port, says in the data directory where it is and with which token, and
 * lets nobody in without it.
 *
 * @module
 */

import { join } from "node:path";
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
  await writePrivateFile(file, JSON.stringify({ url, token }));
  return {
    url,
    close: async () => {
      stopping.abort();
      await Deno.remove(file).catch(() => {
        // Already gone: that is what was wanted.
      });
      await server.shutdown();
    },
  };
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
