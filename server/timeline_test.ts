import { assert, assertEquals } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import type { Logger } from "../platform/log.ts";
import { FakeServer } from "./fake_server.ts";
import { type Store, StoreError } from "./store.ts";
import type { EventRecord } from "./store_record.ts";
import { Timeline, type TimelineFilter } from "./timeline.ts";

const FLUSH_MS = 500;

type Beats = { data: { seq: number } }[];

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
  return { clock, written, errors, answer, timeline: new Timeline({ clock, store, log }) };
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

Deno.test("beat() gathers heartbeats and hands them on every 500 ms", async () => {
  const { clock, written, answer, timeline } = overSlowStore();
  for (let seq = 0; seq < 3; seq++) timeline.beat("k1", { seq });
  await clock.advance(FLUSH_MS - 1);
  assertEquals(written, []);
  await clock.advance(1);
  assertEquals(written.map((beats) => beats.map(({ data }) => data.seq)), [[0, 1, 2]]);
  answer();
  await clock.advance(10 * FLUSH_MS);
  assertEquals([written.length, clock.waiting], [1, 0]);
});

Deno.test("beat() hands one batch at a time to a slow store", async () => {
  const { clock, written, answer, timeline } = overSlowStore();
  for (let seq = 0; seq < 10; seq++) {
    timeline.beat("k1", { seq });
    await clock.advance(FLUSH_MS);
  }
  assertEquals(written.length, 1);
  answer();
  await clock.advance(FLUSH_MS);
  assertEquals(written.map((beats) => beats.length), [1, 9]);
  answer();
  await clock.advance(FLUSH_MS);
  assertEquals(clock.waiting, 0);
});

Deno.test("beat() holds at most 20,000 heartbeats of a stuck store, and says what it left out", async () => {
  const { clock, written, errors, answer, timeline } = overSlowStore();
  timeline.beat("k1", { seq: -1 });
  await clock.advance(FLUSH_MS);
  for (let seq = 0; seq < 20_003; seq++) timeline.beat("k1", { seq });
  answer();
  await clock.advance(FLUSH_MS);
  const [, second] = written;
  assertEquals([second?.length, second?.[0]?.data.seq, second?.at(-1)?.data.seq], [
    20_000,
    3,
    20_002,
  ]);
  assertEquals(errors.map(([, properties]) => properties), [{ dropped: 3 }]);
  answer();
  await timeline.flush();
});

Deno.test("beat() survives a store that fails, and says how many were lost", async () => {
  const { clock, written, errors, answer, timeline } = overSlowStore();
  for (let seq = 0; seq < 3; seq++) timeline.beat("k1", { seq });
  await clock.advance(FLUSH_MS);
  answer(new Error("disk full"));
  await clock.advance(0);
  assertEquals(errors.map(([, properties]) => properties), [{
    lost: 3,
    error: "Error: disk full",
  }]);
  timeline.beat("k1", { seq: 3 });
  await clock.advance(FLUSH_MS);
  assertEquals(written[1]?.map(({ data }) => data.seq), [3]);
  answer();
  await timeline.flush();
});

Deno.test("flush() waits for what is on its way and for what came since", async () => {
  const { clock, written, answer, timeline } = overSlowStore();
  timeline.beat("k1", { seq: 0 });
  await clock.advance(FLUSH_MS);
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
  for (let seq = 0; seq < 3; seq++) timeline.beat("k1", { seq });
  await timeline.flush();
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
