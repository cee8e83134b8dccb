/** Queues at their bounds, and peers that repeat themselves: refused or dropped in words, and nothing grows. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { ClientStore } from "../client/store.ts";
import { systemClock } from "../platform/clock.ts";
import { InnocentPeer } from "./innocent_peer.ts";
import { Peer } from "./peer.ts";
import { RunningClient } from "./running_client.ts";
import { RunningServer } from "./running_server.ts";
import { until } from "./until.ts";

const INTERVAL = ["--interval", "1"];
const MAX_MESSAGES = 1_000;
/** Exit code: no space, or a queue is full. */
const NO_SPACE = 8;

function uuid(number: number): string {
  return `019aa8d0-0000-7000-8000-${String(number).padStart(12, "0")}`;
}

Deno.test("an operator who goes on typing for weeks is told that the queue is full, and the client gets all before that, in order (fault 22) [HB-53]", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.join(server, "till-3");
  for (let number = 0; number < MAX_MESSAGES - 1; number++) {
    await server.api("/api/messages", { who: "till-3", text: `${number}` });
  }
  assertEquals((await server.command("message", "till-3", "the last that fits")).code, 0);
  const refused = await server.command("message", "till-3", "one more");
  assertEquals(refused.code, 1);
  assertMatch(refused.stderr, /Cannot queue a message for till-3: the queue is full/);
  client.run();
  const texts = Array.from({ length: MAX_MESSAGES - 1 }, (_, number) => `${number}`);
  await client.agent.line(/server: the last that fits/);
  const shown = client.agent.said.match(/(?<=^server: ).*$/gm);
  assertEquals(shown, [...texts, "the last that fits"]);
  await until(async () => {
    const lines = await server.api<{ state: string }[]>("/api/log?kind=message");
    return lines.every(({ state }) => state === "stored");
  }, { what: "all of them stored" });
  assertEquals((await server.command("message", "till-3", "room again")).code, 0);
});

Deno.test("a client without its server keeps 1,000 messages, refuses the next with exit code 8, and loses none (fault 22) [HB-53]", async () => {
  await using server = await RunningServer.start({ args: INTERVAL });
  await using client = await RunningClient.join(server, "till-3");
  const { data, port } = server;
  assertEquals(await server.stop(), 0);
  {
    using store = new ClientStore(client.data, { clock: systemClock });
    for (let number = 0; number < MAX_MESSAGES - 1; number++) {
      store.outbox.queue({ id: uuid(number), at: number, text: `${number}` });
    }
  }
  assertEquals((await client.command("message", "the last that fits", "--queue")).code, 0);
  const refused = await client.command("message", "one more", "--queue");
  assertEquals(refused.code, NO_SPACE);
  assertMatch(refused.stderr, /the queue is full with 1000 messages/);
  client.run();
  await client.agent.type("typed");
  await client.agent.line(/the queue is full with 1000 messages/);
  await using again = await RunningServer.start({ args: INTERVAL, data, port });
  await again.untilLogged("message", ({ text }) => text === "the last that fits");
  const texts = (await again.log("message")).map(({ text }) => text);
  assertEquals(texts, [
    ...Array.from({ length: MAX_MESSAGES - 1 }, (_, number) => `${number}`),
    "the last that fits",
  ]);
});

Deno.test("one message id a hundred thousand times, and receipts for what was never sent, grow nothing (fault 21) [HB-51]", async () => {
  await using server = await RunningServer.start({ args: [...INTERVAL, "--plaintext", "--open"] });
  await using innocent = await InnocentPeer.connect(server);
  using peer = await Peer.connect(server, { name: "parrot" });
  const message = { verb: "MESSAGE" as const, id: uuid(1), at: 1, text: "polly" };
  const unknown = Array.from({ length: 500 }, (_, number) => uuid(1_000 + number));
  peer.send(message);
  await peer.next("RECEIPT");
  const before = await storedBytes(server);
  const times = 100_000;
  let receipted = 0;
  const reading = (async () => {
    while (receipted < times) receipted += (await peer.next("RECEIPT")).ids.length;
  })();
  for (let sent = 0; sent < times; sent++) {
    if (peer.connection.pendingBytes > 64 * 1024) await peer.connection.flushed();
    peer.send(message);
    if (sent % 1_000 === 0) peer.send({ verb: "RECEIPT", ids: unknown, state: "shown" });
  }
  await reading;
  assertEquals(receipted, times);
  const lines = await server.log("message");
  assertEquals(lines.map(({ text }) => text), ["polly"]);
  assert(await storedBytes(server) - before < 100_000, "the database does not grow");
  await innocent.assertUnharmed();
});

/** Bytes of the database and its log. */
async function storedBytes(server: RunningServer): Promise<number> {
  const sizes = await Promise.all(
    ["hbserver.sqlite", "hbserver.sqlite-wal"].map((name) => Deno.stat(join(server.data, name))),
  );
  return sizes.reduce((sum, { size }) => sum + size, 0);
}
