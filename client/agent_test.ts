import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import {
  Connection,
  type Frame,
  type FrameOf,
  MAX_MESSAGE_BYTES,
  RECONNECT_MAX_MS,
  WRITE_STALL_MS,
} from "../protocol/mod.ts";
import { type FakeDuplex, fakeDuplexPair } from "../protocol/fake_duplex.ts";
import { Agent, type AgentEvents, type AgentState, STOP_LIMIT_MS } from "./agent.ts";
import { OUTBOX_POLL_MS } from "./agent_session.ts";
import { CannotConnectError, ClientError, RefusedError, WRONG_SERVER } from "./client_error.ts";
import type { Dialled } from "./dial.ts";
import { Receiver } from "./receive.ts";
import { ClientStore } from "./store.ts";

const INTERVAL_MS = 20_000;
const ACK: FrameOf<"ACK"> = {
  verb: "ACK",
  hb: 1,
  session: "s",
  name: "till-3",
  interval: INTERVAL_MS,
  late: 25_000,
  down: 50_000,
  time: 1,
  features: ["journal"],
  limits: { line: 65_536, message: 16_384, file: null, data: 2 },
};
const ID = "0191b4a0-0000-7000-8000-00000000000";

/** The server's end of one connection. */
class Peer {
  readonly connection: Connection;
  readonly frames: Frame[] = [];
  ended = false;

  constructor(readonly duplex: FakeDuplex, options: { reads: boolean }) {
    this.connection = new Connection(duplex);
    this.connection.greeted();
    if (options.reads) void this.#read();
  }

  of<V extends Frame["verb"]>(verb: V): FrameOf<V>[] {
    return this.frames.filter((frame): frame is FrameOf<V> => frame.verb === verb);
  }

  async #read(): Promise<void> {
    try {
      for (let frame; (frame = await this.connection.readFrame()) !== null;) {
        if (frame.verb === "unknown") continue;
        this.frames.push(frame);
        if (frame.verb === "HEARTBEAT") {
          this.connection.send({ verb: "BEAT", seq: frame.seq, at: 1 });
        }
      }
    } catch {
      // Closed by the test or the client; both are ends.
    }
    this.ended = true;
  }
}

/** An agent over in-memory connections and a clock that stands still. */
class Stage implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly directory = Deno.makeTempDirSync();
  readonly store = new ClientStore(this.directory, { clock: this.clock });
  readonly peers: Peer[] = [];
  readonly states: AgentState[] = [];
  readonly messages: string[] = [];
  readonly receipts: string[] = [];
  readonly warnings: string[] = [];
  readonly agent: Agent;
  /** What the next attempts fail with, in order; then they succeed. */
  failures: Error[] = [];
  attempts: number[] = [];
  peerReads = true;
  /** What the greeting waits for, unless the agent gives it up. */
  greeting: Promise<void> = Promise.resolve();
  running: Promise<void> = Promise.resolve();

  constructor(events: AgentEvents = {}, receiver?: Receiver) {
    this.agent = new Agent({
      ...(receiver === undefined ? {} : { receiver }),
      clock: this.clock,
      random: () => 0.5,
      connect: (request) => this.#connect(request),
      store: this.store,
      vitals: () => ({ cpu: 0.5 }),
    }, {
      onState: (state) => this.states.push(state),
      onMessage: ({ text }) => this.messages.push(text),
      onReceipt: ({ id, state }) => this.receipts.push(`${state} ${id}`),
      onWarning: (warning) => this.warnings.push(warning),
      ...events,
    });
  }

  get peer(): Peer {
    const peer = this.peers.at(-1);
    if (peer === undefined) throw new Error("Nobody has connected");
    return peer;
  }

  async start(): Promise<void> {
    this.running = this.agent.run();
    this.running.catch(() => {}); // Each test looks at it itself.
    await this.clock.advance(0);
  }

  async #connect(
    { onRead, signal }: { onRead: () => void; signal: AbortSignal },
  ): Promise<Dialled> {
    this.attempts.push(this.clock.now());
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    const givenUp = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => givenUp.reject(signal.reason), { once: true });
    await Promise.race([this.greeting, givenUp.promise]);
    const [client, server] = fakeDuplexPair();
    const connection = new Connection(client, { onRead });
    connection.greeted();
    this.peers.push(new Peer(server, { reads: this.peerReads }));
    const { verb: _, ...ack } = ACK;
    return { connection, ack, address: { hostname: "127.0.0.1", port: 5001 }, rttMs: 1 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stopped = this.agent.stop();
    await this.clock.advance(STOP_LIMIT_MS);
    await stopped;
    await this.running.catch(() => {});
    assertEquals(this.clock.waiting, 0, "a timer is left");
    this.store[Symbol.dispose]();
    await Deno.remove(this.directory, { recursive: true });
  }
}

Deno.test("Agent connects, beats at once with vitals, and says so", async () => {
  await using stage = new Stage();
  await stage.start();
  assertEquals(stage.states.map(({ kind }) => kind), ["connecting", "connected"]);
  assertEquals(stage.peer.of("HEARTBEAT").map(({ seq, vitals }) => ({ seq, vitals })), [
    { seq: 0, vitals: { cpu: 0.5 } },
  ]);
  assertEquals(stage.agent.roundTripMs, 0);
});

Deno.test("[HB-41] Agent answers PING with PONG at once", async () => {
  await using stage = new Stage();
  await stage.start();
  stage.peer.connection.send({ verb: "PING", n: 7 });
  await stage.clock.advance(0);
  assertEquals(stage.peer.of("PONG"), [{ verb: "PONG", n: 7 }]);
});

Deno.test("[HB-50] [HB-51] Agent stores a message of the server, then acknowledges it, and shows it once", async () => {
  await using stage = new Stage();
  await stage.start();
  const message = { verb: "MESSAGE" as const, id: `${ID}1`, at: 5, text: "hello" };
  stage.peer.connection.send(message);
  stage.peer.connection.send(message);
  await stage.clock.advance(0);
  assertEquals(stage.messages, ["hello"]);
  assertEquals(stage.store.unshown(10).map(({ text }) => text), ["hello"]);
  assertEquals(stage.peer.of("RECEIPT").map(({ ids, state }) => `${state} ${ids}`), [
    `stored ${ID}1,${ID}1`,
  ]);
  stage.peer.connection.send(message);
  await stage.clock.advance(0);
  assertEquals([stage.messages.length, stage.peer.of("RECEIPT").length], [1, 2]);
  stage.agent.markShown(`${ID}1`);
  await stage.clock.advance(0);
  assertEquals(stage.peer.of("RECEIPT").at(-1)?.state, "shown");
});

Deno.test("[HB-54] Agent refuses a message that it cannot store, by its id", async () => {
  await using stage = new Stage();
  await stage.start();
  stage.store.receive = () => {
    throw new Error("disk full");
  };
  stage.peer.connection.send({ verb: "MESSAGE", id: `${ID}1`, at: 5, text: "hello" });
  await stage.clock.advance(0);
  assertEquals(stage.peer.of("RECEIPT"), []);
  assertEquals(stage.peer.of("REFUSE").map(({ code, id }) => [code, id]), [["full", `${ID}1`]]);
  assertEquals(stage.warnings.length, 1);
});

Deno.test("Agent tells after a reconnect what was shown while it was offline", async () => {
  await using stage = new Stage();
  stage.store.receive([{ id: `${ID}1`, at: 1, text: "x" }]);
  stage.agent.markShown(`${ID}1`);
  await stage.start();
  assertEquals(stage.peer.of("RECEIPT").map(({ ids, state }) => [state, ...ids]), [
    ["shown", `${ID}1`],
  ]);
  assertEquals(stage.store.untold(10), []);
});

Deno.test("[HB-51] Agent sends its outbox in order and removes a message on its receipt", async () => {
  await using stage = new Stage();
  const ids = ["one", "two"].map((text) => stage.agent.say(text));
  await stage.start();
  ids.push(stage.agent.say("three"));
  await stage.clock.advance(0);
  assertEquals(stage.peer.of("MESSAGE").map(({ text }) => text), ["one", "two", "three"]);
  stage.peer.connection.send({ verb: "RECEIPT", ids: ids.slice(0, 2), state: "stored" });
  await stage.clock.advance(0);
  assertEquals(stage.receipts, ids.slice(0, 2).map((id) => `stored ${id}`));
  assertEquals(stage.store.outbox.queuedAfter(0, 10).map(({ text }) => text), ["three"]);
});

Deno.test("[HB-51] Agent resends after a reconnect and only then, in order", async () => {
  await using stage = new Stage();
  await stage.start();
  stage.agent.say("one");
  stage.agent.say("two");
  await stage.clock.advance(INTERVAL_MS);
  assertEquals(stage.peer.of("MESSAGE").length, 2);
  stage.peer.connection.close();
  await stage.clock.advance(2_000);
  assertEquals(stage.peers.length, 2);
  assertEquals(stage.peer.of("MESSAGE").map(({ text }) => text), ["one", "two"]);
});

Deno.test("Agent notices messages that another process has queued", async () => {
  await using stage = new Stage();
  await stage.start();
  using other = new ClientStore(stage.directory, { clock: stage.clock });
  other.outbox.queue({ id: `${ID}2`, at: 1, text: "from a command" });
  await stage.clock.advance(OUTBOX_POLL_MS);
  assertEquals(stage.peer.of("MESSAGE").map(({ text }) => text), ["from a command"]);
});

Deno.test("Agent sends a full outbox without overrunning the connection's queue", async () => {
  await using stage = new Stage();
  const text = "x".repeat(MAX_MESSAGE_BYTES);
  for (let count = 0; count < 150; count++) stage.agent.say(text);
  await stage.start();
  for (let turn = 0; turn < 1_000 && stage.peer.of("MESSAGE").length < 150; turn++) {
    await stage.clock.advance(0);
  }
  assertEquals(stage.peer.of("MESSAGE").length, 150);
  assertEquals(stage.peers.length, 1);
});

Deno.test("[HB-56] Agent sends again, in order and after a while, what the server had no space for", async () => {
  await using stage = new Stage();
  await stage.start();
  const ids = ["one", "two", "three"].map((text) => stage.agent.say(text));
  const [one, two, three] = ids;
  stage.peer.connection.send({ verb: "RECEIPT", ids: [one ?? ""], state: "stored" });
  for (const id of [two ?? "", three ?? ""]) {
    stage.peer.connection.send({ verb: "REFUSE", code: "full", reason: "disk", id });
  }
  await stage.clock.advance(0);
  assertEquals(stage.receipts, [`stored ${one}`, `queued ${two}`], "one word for all that wait");
  ids.push(stage.agent.say("four"));
  const sent = () => stage.peer.of("MESSAGE").map(({ text }) => text).slice(3);
  await stage.clock.advance(9_999);
  assertEquals(sent(), []);
  await stage.clock.advance(1);
  assertEquals(sent(), ["two", "three", "four"]);
  stage.peer.connection.send({ verb: "RECEIPT", ids: ids.slice(1), state: "stored" });
  await stage.clock.advance(0);
  assertEquals(stage.store.outbox.waiting().messages, 0);
});

Deno.test("Agent drops a message that is refused for good", async () => {
  await using stage = new Stage();
  await stage.start();
  const id = stage.agent.say("dropped");
  stage.peer.connection.send({ verb: "REFUSE", code: "bad_frame", reason: "no", id });
  await stage.clock.advance(0);
  assertEquals(stage.receipts, [`refused ${id}`]);
  assertEquals(stage.store.outbox.waiting().messages, 0);
  assertEquals(stage.store.outbox.history(10).map(({ state }) => state), ["refused"]);
});

Deno.test("[HB-57] Agent does not send a message that has expired, and says so", async () => {
  await using stage = new Stage();
  const at = stage.clock.wall();
  stage.store.outbox.queue({ id: `${ID}1`, at, text: "late", expiresAt: at + 1_000 });
  stage.failures = [new CannotConnectError([])];
  await stage.start();
  await stage.clock.advance(2_000);
  assertEquals(stage.peer.of("MESSAGE"), []);
  assertEquals(stage.receipts, [`expired ${ID}1`]);
});

Deno.test("[HB-56] Agent takes nothing in the place of a message that it has refused, for 60 s", async () => {
  await using stage = new Stage();
  await stage.start();
  const receive = stage.store.receive.bind(stage.store);
  const send = async (...numbers: number[]) => {
    for (const number of numbers) {
      const message = { id: `${ID}${number}`, at: 5, text: `text ${number}` };
      stage.peer.connection.send({ verb: "MESSAGE", ...message });
    }
    await stage.clock.advance(0);
  };
  stage.store.receive = () => {
    throw new Error("disk full");
  };
  await send(1);
  stage.store.receive = receive;
  await send(2);
  const refused = () => stage.peer.of("REFUSE").map(({ id }) => id?.slice(-1)).join("");
  assertEquals([refused(), stage.messages], ["12", []]);
  await send(1, 2);
  assertEquals(stage.messages, ["text 1", "text 2"]);
  stage.store.receive = () => {
    throw new Error("disk full");
  };
  await send(3);
  stage.store.receive = receive;
  for (let second = 0; second < 60; second += 10) {
    stage.peer.connection.send({ verb: "BEAT", seq: 0, at: 1 });
    await stage.clock.advance(10_000);
  }
  await send(4);
  assertEquals(stage.messages.at(-1), "text 4");
});

Deno.test("[HB-52] Agent.say() refuses empty, oversized and broken texts", async () => {
  await using stage = new Stage();
  for (const text of ["", "x".repeat(MAX_MESSAGE_BYTES + 1), "\ud800"]) {
    const error = assertThrows(() => stage.agent.say(text), ClientError);
    assertEquals(error.exitCode, 2);
  }
  stage.agent.say("x".repeat(MAX_MESSAGE_BYTES));
});

Deno.test("Agent reconnects with growing jitter while the server is away", async () => {
  await using stage = new Stage();
  stage.failures = [1, 2, 3, 4, 5, 6, 7].map(() => new CannotConnectError([]));
  await stage.start();
  await stage.clock.advance(200_000);
  const waits = stage.attempts.slice(1).map((at, index) => at - (stage.attempts[index] ?? 0));
  assertEquals(waits, [1_500, 2_500, 4_500, 8_500, 16_500, 30_500, 30_500]);
  assertEquals(stage.peers.length, 1);
  const waiting = stage.states.find((state) => state.kind === "waiting");
  assertEquals(waiting?.kind === "waiting" && waiting.reason.startsWith("Cannot connect"), true);
});

Deno.test("[HB-48] Agent gives a silent server up after 1.5 intervals and reconnects", async () => {
  await using stage = new Stage();
  stage.peerReads = false;
  await stage.start();
  await stage.clock.advance(30_000);
  stage.peerReads = true;
  await stage.clock.advance(1_500);
  assertEquals(stage.peers.length, 2);
  const waiting = stage.states.find((state) => state.kind === "waiting");
  assertEquals(
    waiting?.kind === "waiting" ? waiting.reason : "",
    "the server was silent for 30 s",
  );
});

Deno.test("Agent drops a connection whose writes stand still", async () => {
  await using stage = new Stage();
  stage.peerReads = false;
  for (let count = 0; count < 10; count++) stage.agent.say("x".repeat(MAX_MESSAGE_BYTES));
  await stage.start();
  // The server is alive, it only does not read.
  for (let passed = 0; passed < WRITE_STALL_MS + 2 * OUTBOX_POLL_MS; passed += 1_000) {
    if (stage.peers.length === 1) stage.peers[0]?.connection.send({ verb: "PING", n: 1 });
    await stage.clock.advance(1_000);
  }
  const waiting = stage.states.find((state) => state.kind === "waiting");
  assertEquals(
    waiting?.kind === "waiting" ? waiting.reason : "",
    "the server took no bytes for 15 s",
  );
});

Deno.test("Agent comes back within 10 s, spread, after the server said that it shuts down", async () => {
  await using stage = new Stage();
  await stage.start();
  stage.peer.connection.send({ verb: "BYE", reason: "shutdown" });
  await stage.clock.advance(5_499);
  assertEquals(stage.peers.length, 1);
  await stage.clock.advance(1);
  assertEquals(stage.peers.length, 2);
});

Deno.test("Agent warns and slows down when another process has taken its place", async () => {
  await using stage = new Stage();
  await stage.start();
  stage.peer.connection.send({ verb: "BYE", reason: "replaced" });
  await stage.clock.advance(RECONNECT_MAX_MS - 1);
  assertEquals([stage.peers.length, stage.warnings.length], [1, 1]);
  await stage.clock.advance(1);
  assertEquals(stage.peers.length, 2);
});

for (const code of ["version", "unknown_client", "bad_proof", "revoked", "name_taken"]) {
  Deno.test(`Agent ends with exit code 4 when it is refused as ${code}`, async () => {
    await using stage = new Stage();
    stage.failures = [new RefusedError(code, "Cannot connect")];
    await stage.start();
    const error = await assertRejects(() => stage.running, RefusedError);
    assertEquals([error.exitCode, error.code], [4, code]);
    assertEquals(stage.agent.state, { kind: "stopped" });
  });
}

Deno.test("[HB-33] Agent tries again when the server is full or closing", async () => {
  await using stage = new Stage();
  stage.failures = [new RefusedError("full", "x"), new RefusedError("closed", "x")];
  await stage.start();
  await stage.clock.advance(4_000);
  assertEquals(stage.peers.length, 1);
});

Deno.test("Agent ends when it is revoked while connected", async () => {
  await using stage = new Stage();
  await stage.start();
  stage.peer.connection.send({ verb: "REFUSE", code: "revoked", reason: "The operator says no" });
  await stage.clock.advance(0);
  const error = await assertRejects(() => stage.running, RefusedError, "The operator says no");
  assertEquals(error.exitCode, 4);
});

Deno.test("Agent ends on a foreign server only when it has never met its own", async () => {
  {
    await using stage = new Stage();
    stage.failures = [new RefusedError(WRONG_SERVER, "x")];
    await stage.start();
    await assertRejects(() => stage.running, RefusedError);
  }
  await using stage = new Stage();
  await stage.start();
  stage.failures = [new RefusedError(WRONG_SERVER, "x")];
  stage.peer.connection.close();
  await stage.clock.advance(10_000);
  assertEquals(stage.peers.length, 2);
});

Deno.test("Agent does not hide an error that is no answer of the network", async () => {
  await using stage = new Stage();
  stage.failures = [new TypeError("a bug")];
  await stage.start();
  await assertRejects(() => stage.running, TypeError, "a bug");
});

Deno.test("[HB-55] Agent.stop() says BYE and waits for the server to close", async () => {
  await using stage = new Stage();
  await stage.start();
  const stopped = stage.agent.stop("reboot", 600);
  await stage.clock.advance(0);
  assertEquals(stage.peer.frames.at(-1), { verb: "BYE", reason: "reboot", back_in: 600 });
  stage.peer.connection.close();
  await stopped;
  await stage.running;
  assertEquals(stage.states.at(-1), { kind: "stopped" });
});

Deno.test("Agent.stop() ends within 2 s when the server does not react", async () => {
  await using stage = new Stage();
  stage.peerReads = false;
  await stage.start();
  const stopped = stage.agent.stop();
  await stage.clock.advance(STOP_LIMIT_MS);
  await stopped;
  await stage.running;
});

Deno.test("[HB-55] Agent.stop() in the middle of a greeting finishes it and says BYE", async () => {
  await using stage = new Stage();
  const greeted = Promise.withResolvers<void>();
  stage.greeting = greeted.promise;
  await stage.start();
  const stopped = stage.agent.stop();
  await stage.clock.advance(10);
  greeted.resolve();
  await stage.clock.advance(0);
  assertEquals(stage.peer.frames.at(-1), { verb: "BYE", reason: "stop" });
  stage.peer.connection.close();
  await stopped;
  await stage.running;
});

Deno.test("Agent.stop() gives a greeting up that takes longer than 2 s", async () => {
  await using stage = new Stage();
  stage.greeting = new Promise(() => {});
  await stage.start();
  const stopped = stage.agent.stop();
  await stage.clock.advance(STOP_LIMIT_MS);
  await stopped;
  await stage.running;
  assertEquals(stage.peers.length, 0);
});

Deno.test("Agent.stop() ends a wait at once", async () => {
  await using stage = new Stage();
  stage.failures = [new CannotConnectError([])];
  await stage.start();
  assertEquals(stage.agent.state.kind, "waiting");
  await stage.agent.stop();
  await stage.running;
  assertEquals(stage.attempts.length, 1);
});

Deno.test("[HB-7] Agent answers bad fields with REFUSE and closes at the third", async () => {
  await using stage = new Stage();
  await stage.start();
  const bad = new TextEncoder().encode('PING {"n":-1}\n');
  const { peer } = stage;
  for (let count = 1; count <= 3; count++) {
    assert(!peer.ended);
    await peer.connection.write(bad);
    await stage.clock.advance(0);
    assertEquals(peer.of("REFUSE").length, count);
  }
  assert(peer.ended);
});

Deno.test("[HB-6] Agent ignores unknown verbs", async () => {
  await using stage = new Stage();
  await stage.start();
  await stage.peer.connection.write(new TextEncoder().encode('NOVELTY {"x":1}\n'));
  await stage.clock.advance(100);
  assert(!stage.peer.ended);
});

Deno.test("[HB-9] Agent tells the server about a frame out of place, closes and reconnects", async () => {
  await using stage = new Stage();
  await stage.start();
  const first = stage.peer;
  first.connection.send({ verb: "READY", id: `${ID}1`, offset: 0 });
  await stage.clock.advance(2_000);
  assertEquals(first.of("REFUSE").map(({ code }) => code), ["bad_frame"]);
  assertEquals(stage.peers.length, 2);
});

Deno.test("Agent asks for a sign of life when the wall clock has left the monotonic one (fault 24)", async () => {
  await using stage = new Stage();
  await stage.start();
  await stage.clock.advance(11_000);
  const before = stage.peer.of("HEARTBEAT").length;
  stage.clock.jumpWall(8 * 3_600_000);
  await stage.clock.advance(OUTBOX_POLL_MS);
  assertEquals(stage.peer.of("HEARTBEAT").length, before + 1);
  await stage.clock.advance(OUTBOX_POLL_MS);
  assertEquals(stage.peer.of("HEARTBEAT").length, before + 1);
});

Deno.test("Agent.drained() waits for the receipts and not for ever", async () => {
  await using stage = new Stage();
  await stage.start();
  const id = stage.agent.say("one");
  let drained = false;
  const waiting = stage.agent.drained(5_000).then(() => drained = true);
  await stage.clock.advance(4_000);
  assert(!drained);
  stage.peer.connection.send({ verb: "RECEIPT", ids: [id], state: "stored" });
  await stage.clock.advance(0);
  await waiting;
  stage.agent.say("two");
  const limited = stage.agent.drained(5_000);
  await stage.clock.advance(5_000);
  await limited;
});

const PUSH = {
  verb: "PUSH",
  id: `${ID}1`,
  path: ["setup.msi"],
  size: 3,
  sha256: "0".repeat(64),
} as const;

Deno.test("Agent without a receiver refuses every file of the server", async () => {
  await using stage = new Stage();
  await stage.start();
  stage.peer.connection.send(PUSH);
  await stage.clock.advance(0);
  assertEquals(stage.peer.of("REJECT").map(({ id, code, retry }) => [id, code, retry]), [
    [PUSH.id, "denied", false],
  ]);
});

Deno.test("[HB-130] Agent hands offers to its receiver, whose answers go back on the same connection", async () => {
  const remembered = { id: PUSH.id, as: "a (2)", path: "/a (2)", bytes: 3, sha256: PUSH.sha256 };
  const receiver = new Receiver({
    clock: new FakeClock(),
    random: () => 0.5,
    connect: () => Promise.reject(new CannotConnectError([])),
    folder: undefined,
    store: {
      receivedFile: (id) => id === PUSH.id ? remembered : undefined,
      recordReceived: () => {},
    },
  });
  await using stage = new Stage({}, receiver);
  await stage.start();
  stage.peer.connection.send(PUSH);
  stage.peer.connection.send({ ...PUSH, id: `${ID}2` });
  await stage.clock.advance(0);
  const { id, as, bytes, sha256 } = remembered;
  assertEquals(stage.peer.of("STORED"), [{ verb: "STORED", id, as, bytes, sha256 }]);
  assertEquals(stage.peer.of("REJECT").map((frame) => [frame.id, frame.code]), [[
    `${ID}2`,
    "denied",
  ]]);
});

Deno.test("Agent runs its receiver and stops it, and outlives its faults", async () => {
  const clock = new FakeClock();
  const calls: string[] = [];
  class FaultyReceiver extends Receiver {
    override run(): Promise<void> {
      calls.push("run");
      return Promise.reject(new Error("a fault"));
    }
    override stop(): Promise<void> {
      calls.push("stop");
      return Promise.resolve();
    }
  }
  const receiver = new FaultyReceiver({
    clock,
    random: () => 0.5,
    connect: () => Promise.reject(new CannotConnectError([])),
    folder: undefined,
    store: { receivedFile: () => undefined, recordReceived: () => {} },
  });
  {
    await using stage = new Stage({}, receiver);
    await stage.start();
    await stage.clock.advance(INTERVAL_MS);
    assertEquals(stage.warnings, ["Cannot receive files any more: a fault"]);
    assert(stage.peer.of("HEARTBEAT").length >= 2);
  }
  assertEquals([calls[0], calls[1]], ["run", "stop"]);
});

Deno.test("[HB-58] [HB-59] Agent sends what it noted without a server in parts, each once the last is stored", async () => {
  await using stage = new Stage();
  stage.failures = [new CannotConnectError([])];
  for (let count = 0; count < 150; count++) stage.store.journal.add("vitals");
  await stage.start();
  await stage.clock.advance(2_000);
  const [first] = stage.peer.of("JOURNAL");
  assertEquals(stage.peer.of("JOURNAL").length, 1);
  assertEquals([first?.entries.length, first?.dropped], [100, 0]);
  assertEquals(first?.journal, stage.store.journal.id);
  const answer = async (entries: readonly { seq: number }[] = []) => {
    const seq = entries.at(-1)?.seq ?? 0;
    stage.peer.connection.send({ verb: "JOURNALED", journal: stage.store.journal.id, seq });
    await stage.clock.advance(0);
  };
  await answer(first?.entries);
  const second = stage.peer.of("JOURNAL").at(-1);
  const events = second?.entries.map(({ event }) => event).slice(50);
  assertEquals(events, ["started", "server_lost", "server_back"]);
  stage.peer.connection.close();
  await stage.clock.advance(10_000);
  assertEquals(stage.peers.length, 2);
  const again = stage.peer.of("JOURNAL")[0]?.entries ?? [];
  assertEquals(again.slice(0, 53), second?.entries, "what has no answer is sent again");
  await answer(again);
  assertEquals(stage.store.journal.unsent(10), []);
  await answer();
  assertEquals(stage.peer.of("JOURNAL").length, 1);
});

Deno.test("[HB-58] Agent sends no journal to a server that does not take it", async () => {
  ACK.features = [];
  try {
    await using stage = new Stage();
    stage.store.journal.add("vitals");
    await stage.start();
    await stage.clock.advance(INTERVAL_MS);
    assertEquals(stage.peer.of("JOURNAL"), []);
  } finally {
    ACK.features = ["journal"];
  }
});

Deno.test("Agent without a server for 24 hours keeps its journal within its bound and replays it in order (fault 28)", async () => {
  await using stage = new Stage();
  stage.failures = Array.from({ length: 5_000 }, () => new CannotConnectError([]));
  await stage.start();
  const lostAt = stage.clock.wall();
  await stage.clock.advance(24 * 3_600_000);
  const noted = stage.store.journal.unsent(10_000);
  assertEquals(noted.slice(0, 2).map(({ event }) => event), ["started", "server_lost"]);
  assertEquals(noted[1]?.at, lostAt);
  assertEquals(
    noted.slice(2).map(({ at }) => at),
    Array.from(
      { length: 1_440 },
      (_, minute) => lostAt + (minute + 1) * 60_000,
    ),
  );
  stage.failures = [];
  const served = new Map<number, number>();
  await stage.clock.advance(60_000);
  for (let part = 0; part < 20; part++) {
    const { journal, entries } = stage.peer.of("JOURNAL").at(-1) ?? { journal: "", entries: [] };
    for (const { seq, at } of entries) served.set(seq, at);
    const seq = entries.at(-1)?.seq ?? 0;
    stage.peer.connection.send({ verb: "JOURNALED", journal, seq });
    await stage.clock.advance(0);
  }
  assertEquals([...served.values()].slice(0, 1_442), noted.map(({ at }) => at));
  assertEquals(stage.store.journal.unsent(10), []);
});

Deno.test("Agent keeps its connection while its store cannot write, says so once, and makes up for it later", async () => {
  await using stage = new Stage();
  await stage.start();
  const { outbox } = stage.store;
  const full = () => {
    throw new Error("disk full");
  };
  const id = stage.agent.say("hello");
  await stage.clock.advance(0);
  const whole = { settle: outbox.settle, markShown: stage.store.markShown };
  outbox.settle = full;
  stage.store.markShown = full;
  for (let turn = 0; turn < 3; turn++) {
    stage.peer.connection.send({ verb: "RECEIPT", ids: [id], state: "stored" });
    await stage.clock.advance(0);
  }
  stage.agent.markShown(`${ID}1`);
  assertEquals(stage.peers.length, 1);
  assertEquals(stage.warnings, [
    "Cannot use this machine's store: disk full",
    "Cannot note that a message was shown: disk full",
  ]);
  outbox.settle = whole.settle.bind(outbox);
  stage.store.markShown = whole.markShown.bind(stage.store);
  stage.peer.connection.close();
  await stage.clock.advance(10_000);
  assertEquals(stage.peer.of("MESSAGE").map((message) => message.id), [id]);
  stage.peer.connection.send({ verb: "RECEIPT", ids: [id], state: "stored" });
  await stage.clock.advance(0);
  assertEquals(outbox.waiting().messages, 0);
});
