/** From a machine that falls silent to a person who reads of it: watch, book, alarm, store and courier together, by a fake clock. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fakeOperations } from "../fake_operator.ts";
import type { FakePeer } from "../fake_peer.ts";
import { FakeServer } from "../fake_server.ts";
import { StoreError } from "../store.ts";
import { parseWeeklyWindow } from "./calendar.ts";
import { type Channel, ChannelError, type ChannelOptions } from "./channel.ts";
import type { Notice } from "./notice.ts";

const P = 20_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A channel that keeps what it is sent, or fails. */
class Inbox implements Channel {
  readonly key: string;
  readonly name: string;
  readonly options: ChannelOptions;
  readonly taken: Notice[] = [];
  attempts = 0;
  failure: ChannelError | undefined;

  constructor(name: string, options: Partial<ChannelOptions> = {}) {
    this.key = `key of ${name}`;
    this.name = name;
    this.options = { min: "info", afterMs: 0, only: [], quiet: undefined, ...options };
  }

  send(notice: Notice): Promise<void> {
    this.attempts++;
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.taken.push(notice);
    return Promise.resolve();
  }

  titles(): string[] {
    return this.taken.map(({ kind, title }) => `${kind} ${title}`);
  }
}

/** A server with channels and one client that is connected. */
async function begin(...channels: Inbox[]) {
  const server = await FakeServer.start({ channels });
  const till = await server.enrol("till-3", ["shop"]);
  const peer = await server.connect(till);
  const operations = fakeOperations(server);
  const back = async (again: FakePeer = peer) => {
    for (let turn = 0; turn < 2; turn++) {
      again.send({ verb: "HEARTBEAT", seq: turn, at: 1 });
      await again.expect("BEAT");
    }
  };
  const alert = async () => (await operations.alerts(false))[0];
  return {
    server,
    till,
    peer,
    back,
    operations,
    alert,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

Deno.test("a channel is told of an outage once, and of its end once", async () => {
  const ops = new Inbox("ops");
  await using place = await begin(ops);
  const { server, back, alert } = place;
  await server.clock.advance(10 * P);
  await server.until(() => ops.taken.length === 1);
  assertEquals(ops.titles(), ["alert till-3 is DOWN"]);
  await back();
  await server.until(() => ops.taken.length === 2);
  assertEquals(ops.titles(), ["alert till-3 is DOWN", "recovery till-3 is UP again"]);
  assertEquals(ops.taken.map(({ tags }) => tags), [["shop"], ["shop"]]);
  await server.until(async () =>
    (await alert())?.deliveries.every(({ state }) => state === "delivered") === true
  );
  assertEquals((await alert())?.deliveries.map(({ channel, kind }) => [channel, kind]), [
    ["console", "alert"],
    ["ops", "alert"],
    ["ops", "recovery"],
  ]);
});

Deno.test("a channel that is down is tried again until it takes the alert, and that is to be seen", async () => {
  const ops = new Inbox("ops");
  ops.failure = new ChannelError("it said 500", { retry: true });
  await using place = await begin(ops);
  const { server, alert } = place;
  await server.clock.advance(2.5 * P);
  await server.clock.advance(5 * MINUTE);
  assert(ops.attempts >= 4, `${ops.attempts}`);
  const waiting = (await alert())?.deliveries.at(-1);
  assertEquals([waiting?.state, waiting?.why], ["waiting", "it said 500"]);
  ops.failure = undefined;
  await server.clock.advance(15 * MINUTE);
  await server.until(() => ops.taken.length === 1);
  assertEquals(ops.titles(), ["alert till-3 is DOWN"]);
});

Deno.test("a channel with after= is told when nobody acknowledges in time, and not when somebody does", async () => {
  for (const isAcked of [false, true]) {
    const ops = new Inbox("ops");
    const boss = new Inbox("boss", { afterMs: 10 * MINUTE });
    await using place = await begin(ops, boss);
    const { server, operations, back, peer } = place;
    await server.clock.advance(2.5 * P);
    await server.until(() => ops.taken.length === 1);
    await server.clock.advance(9 * MINUTE);
    if (isAcked) await operations.alerting.acknowledge("till-3", { by: "kim" });
    assertEquals(boss.taken.length, 0);
    await server.clock.advance(2 * MINUTE);
    if (!isAcked) await server.until(() => boss.taken.length === 1);
    await back();
    await server.until(() => ops.taken.length === 2);
    peer.send({ verb: "BYE", reason: "stop" });
    await peer.ended;
    await server.clock.advance(HOUR);
    const titles = ["alert till-3 is DOWN", "recovery till-3 is UP again"];
    assertEquals(boss.titles(), isAcked ? [] : titles);
  }
});

Deno.test("an escalation waits for the end of a snooze", async () => {
  const boss = new Inbox("boss", { afterMs: 10 * MINUTE });
  await using place = await begin(boss);
  const { server, operations } = place;
  await server.clock.advance(2.5 * P);
  await operations.alerting.snooze("till-3", { by: "kim", forMs: HOUR });
  await server.clock.advance(59 * MINUTE);
  assertEquals(boss.titles(), []);
  await server.clock.advance(2 * MINUTE);
  await server.until(() => boss.taken.length === 1);
  assertEquals(boss.titles(), ["alert till-3 is DOWN"]);
});

Deno.test("quiet hours defer what happens in them, and one summary tells it at their end", async () => {
  // The fake clock begins at 10:00 UTC.
  const quiet = parseWeeklyWindow("09:00-12:00", "UTC");
  const ops = new Inbox("ops", { quiet });
  await using place = await begin(ops);
  const { server, back, alert, peer } = place;
  await server.clock.advance(2.5 * P);
  await back();
  await server.until(() => server.notices.length === 2);
  peer.send({ verb: "BYE", reason: "stop" });
  await peer.ended;
  await server.clock.advance(HOUR);
  assertEquals(ops.titles(), []);
  assertEquals((await alert())?.deliveries.at(-1)?.state, "deferred");
  await server.clock.advance(HOUR);
  await server.until(() => ops.taken.length === 1);
  assertEquals(ops.taken.map(({ kind }) => kind), ["summary"]);
  assertStringIncludes(ops.taken[0]?.text ?? "", "till-3 is UP again");
});

Deno.test("min= and only= leave out what a channel does not want", async () => {
  const shop = new Inbox("shop", { only: ["shop"] });
  const office = new Inbox("office", { only: ["office"] });
  const critical = new Inbox("critical", { min: "critical" });
  await using place = await begin(shop, office, critical);
  const { server, till } = place;
  const condition = { client: till.keyId, cause: "replaced" as const, title: "t", text: "x" };
  await server.parts.alarm.raise({ ...condition, severity: "warning" });
  await server.until(() => shop.taken.length === 1);
  await server.clock.advance(2.5 * P);
  await server.until(() => critical.taken.length === 1);
  await server.until(() => shop.taken.length === 2);
  assertEquals(office.titles(), []);
  assertEquals(critical.titles(), ["alert till-3 is DOWN"]);
});

Deno.test("channels are told of an alert that a full disk has no room for, and once only", async () => {
  const ops = new Inbox("ops");
  await using place = await begin(ops);
  const { server } = place;
  server.fail("recordChanges", new StoreError("Cannot use the database", { full: true }));
  await server.clock.advance(2.5 * P);
  await server.until(() => ops.taken.length === 1);
  server.fail("recordChanges", undefined);
  await server.clock.advance(10 * MINUTE);
  await server.until(() => server.tables.alerts(true).length === 1);
  await server.clock.advance(10 * MINUTE);
  assertEquals(ops.titles(), ["alert till-3 is DOWN"]);
});

Deno.test("a snoozed alert reaches nobody when it is over before the snooze", async () => {
  const ops = new Inbox("ops");
  await using place = await begin(ops);
  const { server, operations, back } = place;
  await operations.alerting.snooze("till-3", { by: "kim", forMs: HOUR });
  await server.clock.advance(3 * P);
  await back();
  await server.clock.advance(10 * P);
  assertEquals(ops.taken.filter(({ kind }) => kind === "recovery"), []);
});

Deno.test("troubles of the server itself reach the channels", async () => {
  const ops = new Inbox("ops", { min: "critical" });
  await using place = await begin(ops);
  await place.server.parts.alarm.announce({ kind: "trouble", title: "disk", text: "ALERT disk" });
  await place.server.until(() => ops.taken.length === 1);
  assertEquals(ops.titles(), ["trouble disk"]);
});

Deno.test("test() reaches every channel at once and says how each took it", async () => {
  const ops = new Inbox("ops", { min: "critical" });
  const boss = new Inbox("boss", { afterMs: HOUR });
  boss.failure = new ChannelError("nobody there", { retry: true });
  await using place = await begin(ops, boss);
  const results = await place.operations.alerting.test({ by: "kim" });
  assertEquals(results.map(({ channel, state, error }) => [channel, state, error]), [
    ["ops", "delivered", null],
    ["boss", "failed", "nobody there"],
  ]);
  assertEquals(ops.titles(), ["test Test of the alerts of hbserver"]);
});
