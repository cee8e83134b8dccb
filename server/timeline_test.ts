import { assert, assertEquals } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import type { Logger } from "../platform/log.ts";
import { FakeServer } from "./fake_server.ts";
import { Roster } from "./roster.ts";
import { type Store, StoreError } from "./store.ts";
import type { EventRecord } from "./store_record.ts";
import { Timeline, type TimelineFilter } from "./timeline.ts";

const MINUTE = 60_000;
/** When the fake clock begins: the first moment of a minute. */
const MINUTE_0 = new FakeClock().wall();

type Beats = { at: number; client: string; data: { seq: number; gap_ms: number } }[];

function unreachable(): never {
  throw new Error("unreachable");
}

/** A timeline over a store that answers when the test lets it. */
function overSlowStore() {
  const clock = new FakeClock();
  const written: Beats[] = [];
  const errors: [string, unknown][] = [];
  let gate = Promise.withResolvers<void>();
  const store = {
    addEvents: (events: Beats) => {
      written.push(events);
      return gate.promise;
    },
    addLinks: () => Promise.resolve(),
  } as unknown as Store;
  const log = {
    info: () => {},
    error: (template: string, properties: unknown) => errors.push([template, properties]),
  } as unknown as Logger;
  const answer = (error?: Error) => {
    const before = gate;
    gate = Promise.withResolvers();
    if (error === undefined) before.resolve();
    else before.reject(error);
  };
  return {
    clock,
    written,
    errors,
    answer,
    timeline: new Timeline({ clock, store, log, roster: new Roster(), absentMs: MINUTE }),
  };
}

/** Takes lines until `count` have come. */
async function take(lines: AsyncGenerator<EventRecord>, count: number): Promise<EventRecord[]> {
  const taken: EventRecord[] = [];
  while (taken.length < count) {
    const { value, done } = await lines.next();
    if (done) break;
    taken.push(value);
  }
  return taken;
}

function seqs(lines: EventRecord[]): unknown[] {
  return lines.map(({ data }) => (data as { seq?: number }).seq);
}

Deno.test("beat() rolls a client's heartbeats up and hands them on when their minute is over", async () => {
  const { clock, written, answer, timeline } = overSlowStore();
  for (let seq = 0; seq < 4; seq++) {
    timeline.beat("k1", { seq, skewMs: seq });
    timeline.roundTrip("k1", 10 * seq);
    if (seq < 2) timeline.beat("k2", { seq });
    await clock.advance(seq === 2 ? 19_999 : 20_000);
    if (seq === 2) assertEquals(written, []);
    if (seq === 2) await clock.advance(1);
  }
  assertEquals(written[0]?.map(({ at, client, data }) => [at - MINUTE_0, client, data]), [
    [40_000, "k1", {
      ...{ beats: 3, seq: 2, gap_ms: 20_000, gap_max_ms: 20_000, rtt_ms: 10, rtt_max_ms: 20 },
      ...{ skew_ms: 2, vitals: null },
    }],
    [20_000, "k2", {
      ...{ beats: 2, seq: 1, gap_ms: 20_000, gap_max_ms: 20_000, rtt_ms: null, rtt_max_ms: null },
      ...{ skew_ms: null, vitals: null },
    }],
  ]);
  answer();
  await clock.advance(MINUTE);
  assertEquals(written[1]?.map(({ data }) => [data.seq, data.gap_ms]), [[3, 20_000]]);
  answer();
  await clock.advance(0);
  assertEquals(clock.waiting, 0);
});

Deno.test("beat() hands one batch at a time to a slow store", async () => {
  const { clock, written, answer, timeline } = overSlowStore();
  for (let seq = 0; seq < 10; seq++) {
    timeline.beat("k1", { seq });
    await clock.advance(MINUTE);
  }
  assertEquals(written.length, 1);
  answer();
  await clock.advance(MINUTE);
  assertEquals(written.map((beats) => beats.length), [1, 9]);
  answer();
  await clock.advance(MINUTE);
  assertEquals(clock.waiting, 0);
});

Deno.test("beat() keeps at most 20,000 minutes of a store that fails, writes them later, and says what it left out", async () => {
  const { clock, written, errors, answer, timeline } = overSlowStore();
  for (let client = 0; client < 20_003; client++) timeline.beat(`k${client}`, { seq: client });
  await clock.advance(MINUTE);
  answer(new Error("disk full"));
  await clock.advance(0);
  assertEquals(errors.map(([, properties]) => properties), [
    { minutes: 20_000, error: "Error: disk full" },
    { dropped: 3 },
  ]);
  await clock.advance(MINUTE);
  const [, again] = written;
  assertEquals([again?.length, again?.[0]?.data.seq, again?.at(-1)?.data.seq], [
    20_000,
    3,
    20_002,
  ]);
  answer();
  await clock.advance(MINUTE);
  assertEquals([written.length, clock.waiting], [2, 0]);
});

Deno.test("flush() writes the minute under way, after what is on its way", async () => {
  const { clock, written, answer, timeline } = overSlowStore();
  timeline.beat("k1", { seq: 0 });
  await clock.advance(MINUTE);
  timeline.beat("k1", { seq: 1 });
  let flushed = false;
  const flushing = timeline.flush().then(() => flushed = true);
  answer();
  await clock.advance(0);
  assertEquals([written.length, flushed], [2, false]);
  answer();
  await flushing;
  assertEquals(clock.waiting, 0);
});

Deno.test("beat() copes with a wall clock that is set back", async () => {
  const { clock, written, answer, timeline } = overSlowStore();
  timeline.beat("k1", { seq: 0 });
  clock.jumpWall(-3_600_000);
  timeline.beat("k2", { seq: 0 });
  answer();
  await clock.advance(MINUTE);
  assertEquals(written[0]?.length, 2);
  answer();
  await timeline.flush();
});

Deno.test("read() adds the minute under way to what is stored, in one order, and filters both alike", async () => {
  await using place = await begin();
  const { server, timeline } = place;
  const till = await server.enrol("till-3");
  server.parts.roster.admit(server.tables.client(till.keyId) ?? unreachable());
  timeline.beat(till.keyId, { seq: 7 });
  await server.clock.advance(1_000);
  await server.parts.store.addEvents([
    { at: server.clock.wall() + 5, kind: "audit", data: {} },
    { at: server.clock.wall() - 5_000, kind: "audit", data: {} },
  ]);
  const kinds = async (filter: TimelineFilter) =>
    (await timeline.read(filter)).map(({ kind, clientName }) => [kind, clientName]);
  assertEquals(await kinds({}), [["audit", undefined], ["beat", "till-3"], ["audit", undefined]]);
  assertEquals(await kinds({ kinds: ["audit"] }), [["audit", undefined], ["audit", undefined]]);
  assertEquals(await kinds({ client: "k9" }), []);
  assertEquals(await kinds({ since: server.clock.wall(), kinds: ["beat"] }), []);
});

async function begin() {
  const server = await FakeServer.start();
  const { timeline } = server.parts;
  const stop = new AbortController();
  const follow = (filter: TimelineFilter = {}) => timeline.follow(filter, stop.signal);
  return {
    server,
    timeline,
    stop,
    follow,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

Deno.test("follow() gives what there is, then every new line, each once and in order", async () => {
  await using place = await begin();
  const { timeline, stop, follow } = place;
  for (let seq = 0; seq < 3; seq++) {
    timeline.beat("k1", { seq });
    await timeline.flush();
  }
  const lines = follow();
  assertEquals(seqs(await take(lines, 3)), [0, 1, 2]);
  const more = take(lines, 4);
  for (let seq = 3; seq < 7; seq++) {
    timeline.beat("k1", { seq });
    await timeline.flush();
  }
  assertEquals(seqs(await more), [3, 4, 5, 6]);
  stop.abort();
  assertEquals(await take(lines, 1), []);
});

Deno.test("follow() loses no line that comes while it looks", async () => {
  await using place = await begin();
  const { server, timeline, stop, follow } = place;
  const release = server.hold("events");
  const lines = follow();
  const first = take(lines, 1);
  await server.until(() => server.waiting("events") === 1);
  timeline.beat("k1", { seq: 0 });
  await timeline.flush();
  release();
  assertEquals(seqs(await first), [0]);
  stop.abort();
  assertEquals(await take(lines, 1), []);
});

Deno.test("follow() shows only what its filter asks for", async () => {
  await using place = await begin();
  const { timeline, stop, follow } = place;
  const lines = follow({ client: "k2", kinds: ["beat"] });
  const one = take(lines, 1);
  await timeline.audit("something", { client: "k2" });
  timeline.beat("k1", { seq: 1 });
  timeline.beat("k2", { seq: 2 });
  await timeline.flush();
  assertEquals((await one).map(({ client, kind }) => [client, kind]), [["k2", "beat"]]);
  stop.abort();
  assertEquals(await take(lines, 1), []);
});

Deno.test("follow() wakes everybody, and one that ends disturbs no other", async () => {
  await using place = await begin();
  const { timeline, follow } = place;
  const stops = [new AbortController(), new AbortController()];
  const followers = stops.map(({ signal }) => timeline.follow({}, signal));
  const first = followers.map((lines) => take(lines, 1));
  timeline.beat("k1", { seq: 0 });
  await timeline.flush();
  assertEquals((await Promise.all(first)).map(seqs), [[0], [0]]);
  stops[0]?.abort();
  assertEquals(await take(followers[0] ?? follow(), 1), []);
  const second = take(followers[1] ?? follow(), 1);
  timeline.beat("k1", { seq: 1 });
  await timeline.flush();
  assertEquals(seqs(await second), [1]);
  stops[1]?.abort();
  assertEquals(await take(followers[1] ?? follow(), 1), []);
});

Deno.test("follow() ends at once when it is already over, and while it waits", async () => {
  await using place = await begin();
  const { server, stop, follow } = place;
  const waiting = take(follow(), 1);
  await server.clock.advance(0);
  stop.abort();
  assertEquals(await waiting, []);
  assertEquals(await take(follow(), 1), []);
});

Deno.test("[HB-31] audit() limits the lines of one address, not those of others or of the operator", async () => {
  await using place = await begin();
  const { server, timeline } = place;
  for (let count = 0; count < 15; count++) await timeline.audit("refused", { address: "10.0.0.7" });
  await timeline.audit("refused", { address: "10.0.0.8" });
  for (let count = 0; count < 15; count++) await timeline.audit("invited", { count });
  const actions = server.audits().map(({ action, address }) => `${action} ${address ?? "-"}`);
  const count = (line: string) => actions.filter((action) => action === line).length;
  assertEquals([count("refused 10.0.0.7"), count("refused 10.0.0.8"), count("invited -")], [
    10,
    1,
    15,
  ]);
});

Deno.test("[HB-31] audit() says in the next line how many it has left out", async () => {
  await using place = await begin();
  const { server, timeline } = place;
  for (let count = 0; count < 12; count++) await timeline.audit("refused", { address: "a" });
  await server.clock.advance(6_000);
  await timeline.audit("refused", { address: "a" });
  await server.clock.advance(6_000);
  await timeline.audit("refused", { address: "a" });
  assertEquals(server.audits().slice(-3).map(({ left_out }) => left_out), [
    undefined,
    2,
    undefined,
  ]);
});

Deno.test("audit() names the client of a line and survives a store that fails", async () => {
  await using place = await begin();
  const { server, timeline } = place;
  await timeline.audit("joined", { client: "k1", name: "till-3" });
  const [line] = server.tables.events({});
  assertEquals([line?.client, line?.kind, line?.data], ["k1", "audit", {
    action: "joined",
    name: "till-3",
  }]);
  server.fail("addEvents", new StoreError("Cannot use the database"));
  await timeline.audit("joined", { client: "k1" });
  assert(server.logged.some((text) => text.includes("Cannot record an audit line")));
  server.fail("addEvents", undefined);
});
