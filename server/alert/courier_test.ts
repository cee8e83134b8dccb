import { assert, assertEquals, assertMatch } from "@std/assert";
import { FakeClock } from "../../platform/fake_clock.ts";
import { configureLogging, getLog } from "../../platform/log.ts";
import { uuidV7 } from "../../platform/random.ts";
import { openFakeStore } from "../fake_store.ts";
import { parseWeeklyWindow } from "./calendar.ts";
import { ChannelError } from "./channel.ts";
import { Courier, type CourierOptions } from "./courier.ts";
import { GIVE_UP_MS } from "./courier_lane.ts";
import { FakeChannel, FakeCourierStore } from "./fake_channel.ts";
import { fakeNotice } from "./fake_notice.ts";
import type { Notice } from "./notice.ts";
import { MAX_RETRY_MS } from "./retry_wait.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** A courier over a database in memory; `tell` does what the alarm does. */
class Place implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly lines: string[] = [];
  readonly #place = openFakeStore();
  readonly tables = this.#place.store;
  readonly fake = new FakeCourierStore(this.tables);
  #log: Disposable;
  courier: Courier | undefined;

  constructor() {
    const write = (line: string) => void this.lines.push(line);
    this.#log = configureLogging({ level: "info", format: "text", write, clock: this.clock });
  }

  async start(
    channels: FakeChannel[],
    options: Partial<CourierOptions> = {},
  ): Promise<Courier> {
    this.courier = new Courier({
      clock: this.clock,
      log: getLog("courier"),
      random: () => 0.5,
      newId: () => uuidV7(this.clock),
      store: this.fake.store,
      channels,
      ...options,
    });
    await this.courier.start();
    return this.courier;
  }

  channel(name: string, options: Partial<FakeChannel["options"]> = {}): FakeChannel {
    return new FakeChannel(name, this.clock, options);
  }

  notice(other: Partial<Notice> = {}): Notice {
    return fakeNotice({ id: uuidV7(this.clock), at: this.clock.wall(), ...other });
  }

  async tell(other: Partial<Notice> = {}): Promise<Notice> {
    const notice = this.notice(other);
    const { courier } = this;
    if (courier === undefined) throw new Error("no courier");
    this.tables.recordChanges([{ alerts: [], notices: [courier.plan(notice)] }]);
    courier.wake();
    await this.clock.advance(0);
    return notice;
  }

  states(alert = 1): string[] {
    return this.tables.deliveriesOf([alert]).map(({ channel, kind, state }) =>
      `${channel} ${kind} ${state}`
    );
  }

  async stop(): Promise<void> {
    const courier = this.courier;
    this.courier = undefined;
    const stopped = courier?.[Symbol.asyncDispose]();
    await this.clock.advance(2 * SECOND);
    await stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    assertEquals(this.clock.waiting, 0);
    this.#log[Symbol.dispose]();
    this.#place[Symbol.dispose]();
  }
}

Deno.test("a channel that is down for 5 minutes and then answers 500 is told exactly once, and every try is logged", async () => {
  await using place = new Place();
  const ops = place.channel("ops");
  await place.start([ops]);
  const begun = place.clock.wall();
  let hasErred = false;
  ops.answer = () => {
    if (place.clock.wall() - begun < 5 * MINUTE) return "fails";
    if (hasErred) return "takes";
    hasErred = true;
    return new ChannelError("Cannot send: it answered 500", { retry: true });
  };
  await place.tell();
  await place.clock.advance(HOUR);
  assertEquals(ops.taken, ["till-3 is DOWN"]);
  const waits = ops.tries.map((at) => (at - begun) / SECOND);
  assertEquals(waits, [0, 5, 15, 35, 75, 155, 315, 635]);
  const [record] = place.tables.deliveriesOf([1]);
  assertEquals([record?.state, record?.attempts], ["delivered", 8]);
  const logged = place.lines.filter((line) => line.includes("attempt"));
  assertEquals(logged.length, 8);
  assertMatch(
    logged[1] ?? "",
    /Tried to tell ops of "till-3 is DOWN": attempt 2 failed: .* it is down; next in 10 s/,
  );
  assertMatch(logged[6] ?? "", /answered 500/);
  assertMatch(logged[7] ?? "", /Told ops of "till-3 is DOWN": attempt 8/);
});

Deno.test("a recovery never overtakes its alert, and a slow channel holds up no other", async () => {
  await using place = new Place();
  const [slow, quick] = [place.channel("slow"), place.channel("quick")];
  slow.takesMs = 30 * SECOND;
  await place.start([slow, quick]);
  await place.tell();
  await place.tell({ kind: "recovery", title: "till-3 is UP again" });
  assertEquals(quick.taken, ["till-3 is DOWN", "till-3 is UP again"]);
  assertEquals(slow.taken, []);
  await place.clock.advance(61 * SECOND);
  assertEquals(slow.taken, quick.taken);
});

Deno.test("a notice that the other side refuses holds up its own alert only", async () => {
  await using place = new Place();
  const ops = place.channel("ops");
  ops.answer = ({ alert, kind }) => alert === 1 && kind === "alert" ? "refuses" : "takes";
  await place.start([ops]);
  await place.tell({ title: "bad" });
  await place.tell({ kind: "recovery", title: "bad is over" });
  await place.tell({ alert: 2, title: "good" });
  await place.clock.advance(HOUR);
  assertEquals(ops.taken, ["good"]);
  ops.answer = () => "takes";
  await place.clock.advance(HOUR);
  assertEquals(ops.taken, ["good", "bad", "bad is over"]);
});

Deno.test("after 24 hours nobody tries any more, nor when the other side will never take it", async () => {
  await using place = new Place();
  const [ops, odd] = [place.channel("ops"), place.channel("odd")];
  ops.answer = () => "fails";
  odd.answer = () => "denies";
  await place.start([ops, odd]);
  await place.tell();
  await place.clock.advance(GIVE_UP_MS - MAX_RETRY_MS);
  assertEquals(place.states(), ["ops alert waiting", "odd alert failed"]);
  await place.clock.advance(2 * MAX_RETRY_MS);
  assertEquals(place.states(), ["ops alert failed", "odd alert failed"]);
  assertEquals(place.lines.filter((line) => line.includes("Gave up")).length, 2);
  const tries = ops.tries.length;
  await place.clock.advance(GIVE_UP_MS);
  assertEquals([ops.tries.length, odd.tries.length], [tries, 1]);
});

Deno.test("the other side may ask for a longer wait, within an hour", async () => {
  await using place = new Place();
  const ops = place.channel("ops");
  const waits = [90 * SECOND, 5 * HOUR];
  ops.answer = () => {
    const waitMs = waits.shift();
    return waitMs === undefined ? "takes" : new ChannelError("busy", { retry: true, waitMs });
  };
  await place.start([ops]);
  await place.tell();
  await place.clock.advance(2 * HOUR);
  const [first = 0] = ops.tries;
  assertEquals(ops.tries.map((at) => (at - first) / SECOND), [0, 90, 3690]);
});

Deno.test("a channel wants what is bad enough and concerns its tags", async () => {
  await using place = new Place();
  const loud = place.channel("loud", { min: "critical" });
  const shops = place.channel("shops", { only: ["shop"] });
  await place.start([loud, shops]);
  await place.tell({ severity: "warning", title: "a warning", alert: 2 });
  await place.tell({ tags: ["office"], title: "an office", alert: 3 });
  await place.tell({ tags: [], alert: undefined, kind: "trouble", title: "the disk is full" });
  assertEquals(loud.taken, ["an office", "the disk is full"]);
  assertEquals(shops.taken, ["a warning"]);
});

Deno.test("a channel with after is told when nobody takes care, and then of the end as well", async () => {
  await using place = new Place();
  const [ops, boss] = [place.channel("ops"), place.channel("boss", { afterMs: 10 * MINUTE })];
  await place.start([ops, boss]);
  await place.tell();
  await place.clock.advance(10 * MINUTE - 1);
  assertEquals([ops.taken.length, boss.taken.length], [1, 0]);
  await place.clock.advance(1);
  assertEquals(boss.taken, ["till-3 is DOWN"]);
  await place.tell({ kind: "recovery", title: "till-3 is UP again" });
  assertEquals(boss.taken, ["till-3 is DOWN", "till-3 is UP again"]);
});

Deno.test("a channel with after hears nothing of what was acknowledged or over before", async () => {
  await using place = new Place();
  const [ops, boss] = [place.channel("ops"), place.channel("boss", { afterMs: 10 * MINUTE })];
  const courier = await place.start([ops, boss]);
  await place.tell();
  await place.tell({ alert: 2, title: "till-4 is DOWN" });
  await place.clock.advance(MINUTE);
  courier.acknowledged(1);
  await place.tell({ alert: 2, kind: "recovery", title: "till-4 is UP again" });
  await place.clock.advance(HOUR);
  assertEquals(boss.tries, []);
  assertEquals(place.states(1), ["ops alert delivered", "boss alert skipped"]);
  assertEquals(place.states(2), [
    "ops alert delivered",
    "boss alert skipped",
    "ops recovery delivered",
  ]);
  await place.tell({ alert: 3, title: "till-5 is DOWN" });
  courier.resolved(3);
  await place.clock.advance(HOUR);
  assertEquals(boss.tries, []);
});

Deno.test("an update takes the place of what waits for its time, and is told at its moment", async () => {
  await using place = new Place();
  const boss = place.channel("boss", { afterMs: 10 * MINUTE });
  await place.start([boss]);
  await place.tell();
  await place.clock.advance(6 * MINUTE);
  await place.tell({ kind: "update", title: "2 machines are DOWN" });
  await place.clock.advance(4 * MINUTE - 1);
  assertEquals(boss.taken, []);
  await place.clock.advance(1);
  assertEquals(boss.taken, ["2 machines are DOWN"]);
  await place.tell({ kind: "update", title: "3 machines are DOWN" });
  assertEquals(boss.taken, ["2 machines are DOWN", "3 machines are DOWN"]);
});

Deno.test("a snoozed alert is asked for again until it is owed", async () => {
  await using place = new Place();
  const boss = place.channel("boss", { afterMs: 10 * MINUTE });
  let owed: "now" | "later" | "never" = "later";
  await place.start([boss], { isOwed: () => owed });
  await place.tell();
  await place.clock.advance(HOUR);
  assertEquals(boss.tries, []);
  owed = "now";
  await place.clock.advance(MINUTE);
  assertEquals(boss.taken.length, 1);
  owed = "never";
  await place.tell({ alert: 2 });
  await place.clock.advance(HOUR);
  assertEquals(boss.taken.length, 1);
  assertEquals(place.states(2), ["boss alert skipped"]);
});

Deno.test("when every other channel has failed three times, those with after are told at once", async () => {
  await using place = new Place();
  const [one, two] = [place.channel("one"), place.channel("two")];
  const boss = place.channel("boss", { afterMs: HOUR });
  one.answer = two.answer = () => "fails";
  await place.start([one, two, boss]);
  await place.tell();
  await place.clock.advance(15 * SECOND - 1);
  assertEquals(boss.taken, []);
  await place.clock.advance(1);
  assertEquals(boss.taken, ["till-3 is DOWN"]);
  one.answer = () => "takes";
  await place.clock.advance(MINUTE);
  await place.tell({ alert: 2 });
  await place.clock.advance(30 * MINUTE);
  assertEquals(one.taken.length, 2);
  assertEquals(boss.taken, ["till-3 is DOWN"]);
});

Deno.test("a new server goes on where the last one stopped, without sending anything twice", async () => {
  await using place = new Place();
  const [ops, mail] = [place.channel("ops"), place.channel("mail")];
  mail.answer = () => "fails";
  await place.start([ops, mail]);
  await place.tell();
  await place.clock.advance(MINUTE);
  await place.stop();
  mail.answer = () => "takes";
  await place.start([ops, mail]);
  await place.clock.advance(10 * MINUTE);
  assertEquals([ops.taken, mail.taken], [["till-3 is DOWN"], ["till-3 is DOWN"]]);
});

Deno.test("what a channel was owed that is not configured any more is skipped in words", async () => {
  await using place = new Place();
  const ops = place.channel("ops");
  ops.answer = () => "fails";
  await place.start([ops]);
  await place.tell();
  await place.stop();
  await place.start([place.channel("other")]);
  assertEquals(place.states(), ["ops alert skipped"]);
  assert(place.lines.some((line) => line.includes("Skipped 1 notices that ops was owed")));
});

Deno.test("a channel that never answers is given up for this try, and a stop does not wait for it", async () => {
  await using place = new Place();
  const ops = place.channel("ops");
  ops.answer = () => undefined;
  await place.start([ops]);
  await place.tell();
  await place.clock.advance(60 * SECOND);
  assert(place.lines.some((line) => line.includes("it took longer than 1 min")));
  await place.clock.advance(10 * SECOND);
  await place.stop();
  const [record] = place.tables.deliveriesOf([1]);
  assertEquals([record?.state, record?.attempts], ["waiting", 1]);
});

Deno.test("a send that is taken while the server stops is on record", async () => {
  await using place = new Place();
  const ops = place.channel("ops");
  ops.takesMs = SECOND;
  await place.start([ops]);
  await place.tell();
  await place.stop();
  assertEquals([ops.taken.length, place.states()], [1, ["ops alert delivered"]]);
});

Deno.test("quiet hours put off what falls into them, and end with one summary, open alerts first", async () => {
  await using place = new Place();
  const quiet = parseWeeklyWindow("22:00-07:00", "UTC");
  const [ops, night] = [place.channel("ops", { quiet }), place.channel("night")];
  await place.start([ops, night]);
  await place.clock.advance(13 * HOUR); // 23:00
  await place.tell();
  await place.tell({ alert: 2, title: "till-4 is DOWN" });
  await place.clock.advance(HOUR);
  await place.tell({ kind: "recovery", title: "till-3 is UP again" });
  assertEquals([ops.taken.length, night.taken.length], [0, 3]);
  await place.clock.advance(7 * HOUR - 1);
  assertEquals(ops.tries, []);
  await place.clock.advance(1);
  assertEquals(ops.taken, ["While it was quiet: 1 still open, 1 over"]);
  assertEquals(
    ops.notices[0]?.text,
    "While it was quiet (22:00-07:00): still open: till-4 is DOWN; over: till-3 is UP again",
  );
  await place.tell({ alert: 2, kind: "recovery", title: "till-4 is UP again" });
  assertEquals(ops.taken.at(-1), "till-4 is UP again");
});

Deno.test("the only notice of the quiet hours is sent as it is, marked late", async () => {
  await using place = new Place();
  const quiet = parseWeeklyWindow("22:00-07:00", "UTC");
  const ops = place.channel("ops", { quiet });
  await place.start([ops]);
  await place.clock.advance(13 * HOUR);
  await place.tell();
  await place.stop();
  await place.start([ops]);
  await place.clock.advance(8 * HOUR);
  assertEquals(ops.taken, ["Late: till-3 is DOWN"]);
});

Deno.test("a try that comes to fall into quiet hours is put off as well", async () => {
  await using place = new Place();
  const quiet = parseWeeklyWindow("10:01-11:00", "UTC");
  const ops = place.channel("ops", { quiet });
  ops.answer = () => "fails";
  await place.start([ops]);
  await place.tell();
  await place.clock.advance(59 * MINUTE);
  assertEquals(ops.tries.length, 4);
  ops.answer = () => "takes";
  await place.clock.advance(MINUTE);
  assertEquals(ops.taken, ["Late: till-3 is DOWN"]);
});

Deno.test("while the disk is full notices are told from memory, and not again once they are written", async () => {
  await using place = new Place();
  const [ops, boss] = [place.channel("ops"), place.channel("boss", { afterMs: HOUR })];
  const courier = await place.start([ops, boss]);
  place.fake.error = new Error("database or disk is full");
  const notice = place.notice();
  courier.sendUnwritten(notice);
  await place.clock.advance(0);
  const recovery = place.notice({ kind: "recovery", title: "till-3 is UP again" });
  courier.sendUnwritten(recovery);
  await place.clock.advance(0);
  assertEquals(ops.taken, ["till-3 is DOWN", "till-3 is UP again"]);
  place.fake.error = undefined;
  for (const late of [notice, recovery]) place.tables.addNotice(courier.plan(late));
  courier.wake();
  await place.clock.advance(2 * HOUR);
  assertEquals(ops.taken, ["till-3 is DOWN", "till-3 is UP again"]);
  assertEquals(boss.taken, []);
  assertEquals(place.states(), [
    "ops alert delivered",
    "boss alert skipped",
    "ops recovery delivered",
  ]);
});

Deno.test("what was sent but could not be recorded is not sent again, and is on record later", async () => {
  await using place = new Place();
  const ops = place.channel("ops");
  await place.start([ops]);
  place.fake.error = new Error("database or disk is full");
  await place.tell();
  await place.clock.advance(MINUTE);
  assertEquals([ops.tries.length, place.states()], [1, ["ops alert waiting"]]);
  place.fake.error = undefined;
  await place.clock.advance(5 * SECOND);
  assertEquals([ops.tries.length, place.states()], [1, ["ops alert delivered"]]);
});

Deno.test("a wall clock that is put back or forward delays nothing", async () => {
  await using place = new Place();
  const ops = place.channel("ops");
  await place.start([ops]);
  ops.answer = () => "fails";
  await place.tell();
  ops.answer = () => "takes";
  place.clock.jumpWall(-5 * HOUR);
  await place.clock.advance(5 * SECOND);
  assertEquals(ops.taken.length, 1);
  await place.tell({ alert: 2 });
  place.clock.jumpWall(HOUR);
  await place.tell({ alert: 2, kind: "recovery" });
  assertEquals(ops.taken.length, 3);
});

Deno.test("test() sends to every channel at once and says how it went", async () => {
  await using place = new Place();
  const ops = place.channel("ops", { afterMs: HOUR, min: "critical" });
  const mail = place.channel("mail");
  mail.answer = () => "fails";
  const courier = await place.start([ops, mail]);
  const results = await courier.test(place.notice({ kind: "test", severity: "info" }));
  assertEquals(results, [
    { channel: "ops", state: "delivered", error: undefined, ms: 0 },
    { channel: "mail", state: "failed", error: "Cannot send: it is down", ms: 0 },
  ]);
});

Deno.test("a channel that takes a test is in no trouble any more, and is told at once what it is owed", async () => {
  await using place = new Place();
  const ops = place.channel("ops");
  ops.answer = () => "fails";
  const courier = await place.start([ops]);
  await place.tell();
  await place.clock.advance(HOUR);
  assertMatch(courier.trouble ?? "", /no channel takes alerts/);
  ops.answer = () => "takes";
  await courier.test(place.notice({ kind: "test", title: "a test" }));
  await place.clock.advance(0);
  assertEquals(ops.taken, ["a test", "till-3 is DOWN"]);
  assertEquals(courier.trouble, undefined);
});

Deno.test("a courier is in trouble when every channel that is told at once has failed three times", async () => {
  await using place = new Place();
  const [ops, mail] = [place.channel("ops"), place.channel("mail")];
  ops.answer = mail.answer = () => "fails";
  const courier = await place.start([ops, mail, place.channel("boss", { afterMs: HOUR })]);
  await place.tell();
  await place.clock.advance(14 * SECOND);
  assertEquals(courier.trouble, undefined);
  await place.clock.advance(SECOND);
  assertMatch(
    courier.trouble ?? "",
    /no channel takes alerts \(ops: Cannot send: it is down; mail/,
  );
  mail.answer = () => "takes";
  await place.clock.advance(MINUTE);
  assertEquals(courier.trouble, undefined);
});
