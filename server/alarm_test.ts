import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { FakePeer } from "./fake_peer.ts";
import { FakeServer } from "./fake_server.ts";
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
  const release = server.hold("changeStates");
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
  server.fail("changeStates", new StoreError("Cannot use the database", { full: true }));
  await server.clock.advance(2.5 * P);
  await server.until(() => server.notices.length === 1);
  assertStringIncludes(server.notices[0]?.text ?? "", "ALERT till-3 is DOWN");
  assert(server.logged.some((line) => line.startsWith("Cannot record that")));
  server.fail("changeStates", undefined);
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
  assertEquals(server.notices.map(({ kind }) => kind), ["alert"], "nobody says that it is UP");
});

Deno.test("changes of one client are recorded in the order in which they came", async () => {
  await using place = await begin();
  const { server, till, peer } = place;
  const release = server.hold("changeStates");
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
