/** More connections than a server can hold, from one host, with an innocent client of the same host. */

import { assert, assertEquals } from "@std/assert";
import { InnocentPeer } from "./innocent_peer.ts";
import { Peer } from "./peer.ts";
import { type ClientView, RunningServer } from "./running_server.ts";
import { until } from "./until.ts";

const FLOOD = 1_000;
/** Descriptors of the server in the run that has too few of them; it needs about 30 for itself. */
const DESCRIPTORS = 64;

/** Connections that say nothing; disposing of them closes them. */
class Flood implements Disposable {
  readonly #conns: Deno.Conn[] = [];

  /** Opens so many; those that the server has closed in the meantime count as well. */
  async open(port: number, count: number): Promise<void> {
    while (this.#conns.length < count) {
      this.#conns.push(await Deno.connect({ hostname: "127.0.0.1", port }));
    }
  }

  /** Sends the same on all of them. */
  async say(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    await Promise.allSettled(this.#conns.map((conn) => conn.write(bytes)));
  }

  [Symbol.dispose](): void {
    for (const conn of this.#conns.splice(0)) conn.close();
  }
}

/** Descriptors that a process holds; undefined where that cannot be seen. */
function descriptors(pid: number): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

for (const tls of [false, true]) {
  const how = tls ? "TLS" : "plaintext";
  Deno.test(`${FLOOD} connections of one host keep nobody out, over ${how} (fault 16)`, async () => {
    const args = ["--interval", "1", ...(tls ? [] : ["--plaintext"])];
    await using server = await RunningServer.start({ args });
    const key = await server.invite("--uses", "2");
    await using innocent = await InnocentPeer.connect(server, { join: key, name: "innocent", tls });
    const before = descriptors(server.program.pid);
    {
      using flood = new Flood();
      await flood.open(server.port, FLOOD);
      using peer = await Peer.connect(server, { join: key, name: "till-3", tls });
      assertEquals(peer.ack.name, "till-3");
      await flood.say(tls ? "\x16\x03\x01\x02\x00\x01" : "HELLO {");
      const clients = await server.json<ClientView[]>("clients");
      assertEquals(clients.map(({ name }) => name).sort(), ["innocent", "till-3"]);
    }
    await until(
      () => before === undefined || (descriptors(server.program.pid) ?? 0) <= before + 2,
      {
        what: () => `${before} descriptors, as before: ${descriptors(server.program.pid)}`,
      },
    );
    await innocent.assertUnharmed();
  });
}

for (const tls of [false, true]) {
  const how = tls ? "TLS" : "plaintext";
  Deno.test({
    name:
      `a server that runs out of descriptors over ${how} goes on, and takes new clients once there are some (fault 16, needs ulimit)`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      const wrap = (command: string[]) => {
        return ["sh", "-c", `ulimit -n ${DESCRIPTORS}; exec "$@"`, "sh", ...command];
      };
      const args = ["--interval", "1", "--open", ...(tls ? [] : ["--plaintext"])];
      await using server = await RunningServer.start({ args, wrap });
      await using innocent = await InnocentPeer.connect(server, { tls });
      {
        using flood = new Flood();
        await flood.open(server.port, 4 * DESCRIPTORS);
        if (!tls) await flood.say("hello");
        await server.program.line(/Cannot accept connections for now, retrying/);
      }
      using peer = await Peer.connect(server, { name: "till-3", tls });
      assertEquals(peer.ack.name, "till-3");
      await server.untilState("till-3", "UP");
      assert(server.program.stderr.filter((line) => /Cannot accept/.test(line)).length < 5);
      await innocent.assertUnharmed();
    },
  });
}
