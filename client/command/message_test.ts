import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeClock } from "../../platform/fake_clock.ts";
import { Connection, type Frame } from "../../protocol/mod.ts";
import { fakeDuplexPair } from "../../protocol/fake_duplex.ts";
import { ClientError, RefusedError } from "../client_error.ts";
import { deliver, RECEIPT_LIMIT_MS } from "./message.ts";

const ID = "0191b4a0-0000-7000-8000-000000000001";
const OTHER = "0191b4a0-0000-7000-8000-000000000002";

/** Delivers one message to a server that answers MESSAGE with the given frames, or closes. */
function setUp(answers: Frame[] | "close") {
  const clock = new FakeClock();
  const [client, server] = fakeDuplexPair();
  const connection = new Connection(client);
  connection.greeted();
  const peer = new Connection(server);
  const frames: string[] = [];
  const controller = new AbortController();
  const serve = async () => {
    for (let frame; (frame = await peer.readFrame()) !== null;) {
      frames.push(frame.verb);
      if (frame.verb === "MESSAGE" && answers === "close") peer.close();
      if (frame.verb === "MESSAGE" && answers !== "close") {
        answers.forEach((item) => peer.send(item));
      }
      if (frame.verb === "BYE") peer.close();
    }
  };
  const served = serve().catch(() => {}); // Closed in the middle of a read: the end of the test.
  const delivered = deliver(
    { id: ID, at: 1, text: "hello" },
    { connection, clock, signal: controller.signal },
  );
  delivered.catch(() => {}); // Each test looks at it itself.
  return { clock, connection, frames, controller, served, delivered };
}

Deno.test("deliver() resolves at the receipt of its message and says BYE", async () => {
  const { delivered, served, frames, connection, clock } = setUp([
    { verb: "RECEIPT", ids: [OTHER], state: "stored" },
    { verb: "PING", n: 1 },
    { verb: "MESSAGE", id: OTHER, at: 1, text: "by the way" },
    { verb: "RECEIPT", ids: [ID], state: "stored" },
  ]);
  await delivered;
  await served;
  assertEquals(frames, ["MESSAGE", "PONG", "BYE"]);
  assert(connection.closed);
  assertEquals(clock.waiting, 0);
});

Deno.test("deliver() rejects with exit code 4 when the server refuses", async () => {
  const { delivered } = setUp([{ verb: "REFUSE", code: "full", reason: "Disk full", id: ID }]);
  const error = await assertRejects(() => delivered, RefusedError, "Disk full");
  assertEquals([error.exitCode, error.code], [4, "full"]);
});

Deno.test("deliver() rejects with exit code 9 when the connection ends or nothing comes", async () => {
  const ended = await assertRejects(() => setUp("close").delivered, ClientError);
  assertEquals([ended.exitCode, ended.code], [9, "unconfirmed"]);
  const bye = await assertRejects(
    () => setUp([{ verb: "BYE", reason: "shutdown" }]).delivered,
    ClientError,
  );
  assertEquals(bye.exitCode, 9);
  const { delivered, clock, connection } = setUp([]);
  await clock.advance(RECEIPT_LIMIT_MS - 1);
  assert(!connection.closed);
  await clock.advance(1);
  const silent = await assertRejects(() => delivered, ClientError, "within 30 s");
  assertEquals(silent.exitCode, 9);
  assertEquals(clock.waiting, 0);
});

Deno.test("deliver() ends with the signal's reason when the person stops it", async () => {
  const { delivered, controller, clock } = setUp([]);
  await clock.advance(1);
  controller.abort(new Error("SIGINT"));
  await assertRejects(() => delivered, Error, "SIGINT");
  assertEquals(clock.waiting, 0);
});
