import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Alarm, MAX_UNWRITTEN, RETRY_MS } from "./alarm.ts";
import type { FakePeer } from "./fake_peer.ts";
import { FakeServer } from "./fake_server.ts";
import { newPresence } from "./presence.ts";
import { StoreError } from "./store.ts";

const P = 20_000;

async function beat(peer: FakePeer): Promise<void> {
  peer.send({ verb: "HEARTBEAT", seq: 0, at: 1 });
  await peer.expect("BEAT");
}

/** A server with one client that is connected and has beaten once. */
async function begin() {
  const server = await FakeServer.start();
  const till = await server.enrol("till-3");
  const peer = await server.connect(till);
  await beat(peer);
  return { server, till, peer, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

Deno.test("an alert is on disk before a person is told", async () => {
  await using place = await begin();
  const { server } = place;
  await server.clock.advance(2.5 * P - 1);
  const release = server.hold("recordChanges");
  await server.clock.advance(1);
  assertEquals([server.path(place.till.keyId).at(-1), server.notices], [
    "SUSPECT>DOWN silent",
    [],
  ]);
  release();
  await server.until(() => server.notices.length === 1);
  assertEquals(server.tables.alerts(true).length, 1);
});

Deno.test("an alert that cannot be written is told all the same", async () => {
  await using place = await begin();
  const { server } = place;
  server.fail("recordChanges", new StoreError("Cannot use the database", { full: true }));
  await server.clock.advance(2.5 * P);
  await server.until(() => server.notices.length === 1);
  assertStringIncludes(server.notices[0]?.text ?? "", "ALERT till-3 is DOWN");
  assert(server.logged.some((line) => line.startsWith("Cannot record that")));
  server.fail("recordChanges", undefined);
});

Deno.test("an outage is one alert with its evidence, and one recovery with its downtime", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  await server.clock.advance(10 * P);
  await beat(peer);
  await server.clock.advance(P);
  await beat(peer);
  await server.until(() => server.notices.length === 2);
  assertEquals(server.notices.map(({ kind }) => kind), ["alert", "recovery"]);
  const [alert] = server.tables.alerts(false);
  assertEquals([alert?.state, alert?.cause], ["resolved", "silent"]);
  const opened = server.clock.wall() - 11 * P + 2.5 * P;
  assertEquals([alert?.openedAt, alert?.resolvedAt], [opened, server.clock.wall()]);
  assertEquals(alert?.evidence, {
    last_seen: new Date(server.clock.wall() - 11 * P).toISOString(),
    detection_ms: 2.5 * P,
    gap_ms: null,
    jitter_ms: null,
    rtt_ms: null,
    connected: true,
    ongoing: 0,
  });
  const states = server.tables.events({ client: till.keyId, kinds: ["state"] })
    .map(({ data }) => data as Record<string, unknown>);
  assertEquals(states.map(({ from, state, cause }) => [from, state, cause]), [
    [null, "UP", null],
    ["UP", "LATE", "silent"],
    ["LATE", "SUSPECT", "silent"],
    ["SUSPECT", "DOWN", "silent"],
    ["DOWN", "UP", "silent"],
  ]);
  assertEquals(states.at(-1)?.downtime_ms, 10 * P);
});

Deno.test("the record of a client that is UP again has no cause any more", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  await server.clock.advance(10 * P);
  for (let turn = 0; turn < 2; turn++) await beat(peer);
  await server.until(() => server.notices.length === 2);
  const record = server.tables.client(till.keyId);
  assertEquals([record?.state, record?.cause], ["UP", undefined]);
  assertEquals(server.parts.roster.get(till.keyId)?.record.cause, undefined);
});

Deno.test("the record of a client that says goodbye while it is DOWN has its goodbye", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  await server.clock.advance(3 * P);
  peer.send({ verb: "BYE", reason: "reboot" });
  await peer.ended;
  await server.until(() => server.tables.client(till.keyId)?.state === "PLANNED");
  const record = server.tables.client(till.keyId);
  assertEquals([record?.cause, server.tables.alerts(true)], ["said bye: reboot", []]);
  await server.until(() => server.notices.length === 2);
  assertEquals(server.notices.map(({ title }) => title), ["till-3 is DOWN", "till-3: over"]);
  assertStringIncludes(server.notices[1]?.text ?? "", "said bye: reboot");
});

Deno.test("changes of one client are recorded in the order in which they came", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  const release = server.hold("recordChanges");
  await server.clock.advance(1.5 * P);
  await beat(peer);
  await peer.close();
  release();
  await server.until(() => server.tables.client(till.keyId)?.state === "SUSPECT");
  const states = server.tables.events({ client: till.keyId, kinds: ["state"] })
    .map(({ data }) => (data as { state: string }).state);
  assertEquals(states, ["UP", "LATE", "SUSPECT", "UP", "SUSPECT"]);
});

Deno.test("a change of a client that is no longer on the lists is told to nobody", async () => {
  await using place = await begin();
  const { server, till } = place;
  server.parts.roster.remove(till.keyId);
  await server.clock.advance(3 * P);
  assertEquals(server.notices, []);
  assertEquals(server.tables.alerts(false), []);
});

/** What is on record of a client's states. */
function states(server: FakeServer, client: string): string[] {
  return server.tables.events({ client, kinds: ["state"] })
    .map(({ data }) => (data as { state: string }).state);
}

const FULL = new StoreError("Cannot use the database", { full: true });

Deno.test("changes that a full disk has no room for are told at once, and written in order once there is", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  server.fail("recordChanges", FULL);
  await server.clock.advance(3 * P);
  assertEquals(server.notices.map(({ kind }) => kind), ["alert"]);
  for (let turn = 0; turn < 2; turn++) await beat(peer);
  await server.until(() => server.notices.length === 2);
  assertEquals([states(server, till.keyId), server.tables.alerts(false)], [["UP"], []]);
  const at = server.clock.wall();
  server.fail("recordChanges", undefined);
  await server.clock.advance(RETRY_MS);
  await server.until(() => states(server, till.keyId).length > 1);
  assertEquals(states(server, till.keyId), ["UP", "LATE", "SUSPECT", "DOWN", "UP"]);
  assertEquals(
    server.notices.map(({ kind }) => kind),
    ["alert", "recovery"],
    "nobody is told twice",
  );
  const [alert] = server.tables.alerts(false);
  assertEquals([alert?.state, alert?.openedAt, alert?.resolvedAt], ["resolved", at - P / 2, at]);
  assertEquals(server.tables.client(till.keyId)?.state, "UP");
  const once = server.logged.filter((line) => line.startsWith("Cannot record that"));
  assertEquals(once.length, 1);
  assert(server.logged.some((line) => line.startsWith("Recorded {written}")));
});

Deno.test("a change that comes while others wait for the disk is written behind them", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  server.fail("recordChanges", FULL);
  await server.clock.advance(1.5 * P);
  server.fail("recordChanges", undefined);
  await beat(peer);
  await server.until(() => server.path(till.keyId).length === 4);
  assertEquals(states(server, till.keyId), ["UP"]);
  await server.clock.advance(RETRY_MS);
  await server.until(() => states(server, till.keyId).length === 4);
  assertEquals(states(server, till.keyId), ["UP", "LATE", "SUSPECT", "UP"]);
});

Deno.test("of more changes than are kept the oldest are left out, and that is said", async () => {
  await using server = await FakeServer.start();
  const till = await server.enrol("till-3");
  const { roster } = server.parts;
  for (const record of server.tables.clients()) roster.admit(record);
  await using alarm = new Alarm({
    ...server.parts,
    forgive: () => {},
    onNotice: () => {},
  });
  server.fail("recordChanges", FULL);
  for (let change = 0; change < MAX_UNWRITTEN + 2; change++) {
    await alarm.onChange({
      ...{ client: till.keyId, from: "UP", to: "LATE", cause: `number ${change}` as "silent" },
      ...{ at: 0, lastHeard: 0, downtimeMs: undefined, detectionMs: undefined },
      flapping: false,
      presence: newPresence(0),
    });
  }
  server.fail("recordChanges", undefined);
  await alarm.flush();
  const events = server.tables.events({ client: till.keyId, kinds: ["state"] });
  const causes = events.map(({ data }) => (data as { cause: string }).cause);
  assertEquals([causes.length, causes[0], causes.at(-1)], [
    MAX_UNWRITTEN,
    "number 2",
    `number ${MAX_UNWRITTEN + 1}`,
  ]);
  assert(server.logged.some((line) => line.startsWith("Left {leftOut} changes")));
});

Deno.test("an alarm that ends while the disk is full says how much is lost", async () => {
  const logged = await (async () => {
    await using place = await begin();
    place.server.fail("recordChanges", FULL);
    await place.server.clock.advance(1.5 * P);
    return place.server.logged;
  })();
  assert(logged.some((line) => line.startsWith("{lost} changes of state are lost")));
});
