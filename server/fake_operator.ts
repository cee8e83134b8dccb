/**
 * The operator's side of a {@linkcode FakeServer}, for tests of what an operator can do.
 *
 * @module
 */

import type { ServerIdentity } from "./certificate.ts";
import { FAKE_SERVER_ID, type FakeServer } from "./fake_server.ts";
import { Operations } from "./operations.ts";

/** The identity of every fake server; its certificate is none. */
export const FAKE_IDENTITY: ServerIdentity = {
  serverId: FAKE_SERVER_ID,
  keyPem: "",
  certificatePem: "",
  certificate: new Uint8Array([0x30, 1, 2, 3]),
  notAfter: 0,
};

/** What an operator can do with a fake server that listens on 10.0.0.1:5001. */
export function fakeOperations(
  server: FakeServer,
  how: { plaintext?: boolean; hostname?: string } = {},
): Operations {
  const { plaintext = false, hostname = "10.0.0.1" } = how;
  const address = { hostname, port: 5001 };
  return new Operations(server.parts, { identity: FAKE_IDENTITY, plaintext, open: false, address });
}
