/**
 * Asks the own port whether anybody answers there.
 *
 * @module
 */

import type { Clock } from "../platform/clock.ts";
import { formatDuration } from "../platform/quantity.ts";

/** The port must answer in so long, in milliseconds. */
export const OWN_PORT_MS = 5_000;

const LOOPBACK: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

/** A connection as far as it is used. */
export type OwnConnection = Pick<Deno.TcpConn, "read" | "closeWrite" | "close">;

/** Opens a connection. */
export type Connect = (address: { hostname: string; port: number }) => Promise<OwnConnection>;

/**
 * Why the port does not work, or undefined when it does: who says nothing and ends is shown the door, which takes more than
 * the kernel, as that connects whether or not anybody accepts.
 */
export async function ownPortTrouble(
  { hostname, port }: { hostname: string; port: number },
  { clock, connect = (address) => Deno.connect(address) }: { clock: Clock; connect?: Connect },
): Promise<string | undefined> {
  const address = { hostname: LOOPBACK[hostname] ?? hostname, port };
  const { promise: late, resolve } = Promise.withResolvers<string>();
  using _limit = clock.after(
    OWN_PORT_MS,
    () => resolve(`its own port ${port} gives no answer within ${formatDuration(OWN_PORT_MS)}`),
  );
  let connection: OwnConnection | undefined;
  const ask = async (): Promise<undefined> => {
    connection = await connect(address);
    await connection.closeWrite();
    const buffer = new Uint8Array(1_024);
    while (await connection.read(buffer) !== null);
  };
  const asking = ask().catch((error: unknown) => {
    // Being cut off is an answer: only a server that lives does it.
    if (error instanceof Deno.errors.ConnectionReset) return undefined;
    return `its own port ${port} does not answer: ${
      error instanceof Error ? error.message : String(error)
    }`;
  });
  try {
    return await Promise.race([asking, late]);
  } finally {
    connection?.close();
  }
}
