import { assertEquals } from "@std/assert";
import type { NewDelivery, PlannedNotice } from "./alert/delivery.ts";
import { nextDelivery, planDeliveries } from "./alert/delivery.ts";
import { fakeNotice } from "./alert/fake_notice.ts";
import type { Notice } from "./alert/notice.ts";
import { parseWeeklyWindow } from "./alert/calendar.ts";
import { DAY, NOW, openFakeStore } from "./fake_store.ts";
import type { StoreDatabase } from "./store_database.ts";

const MINUTE = 60_000;

let lastId = 0;

function planned(
  notice: Partial<Notice>,
  ...deliveries: (Partial<NewDelivery> & { channel: string })[]
): PlannedNotice {
  const whole = fakeNotice({ id: `n${++lastId}`, at: NOW, ...notice });
  const usual = { state: "waiting" as const, dueAt: whole.at, afterMs: 0, onlyIfTold: false };
  return {
    notice: whole,
    deliveries: deliveries.map((delivery) => ({ ...usual, name: delivery.channel, ...delivery })),
  };
}

function states(store: StoreDatabase, alert = 1): string[] {
  return store.deliveriesOf([alert]).map(({ channel, kind, state, escalates }) =>
    `${channel} ${kind} ${state}${escalates ? ", escalates" : ""}`
  );
}

Deno.test("planDeliveries() asks each channel for its wishes, and defers what falls into quiet hours", () => {
  const quiet = parseWeeklyWindow("09:00-11:00", "UTC");
  const options = { min: "info" as const, afterMs: 0, only: [], quiet: undefined };
  const channels = [
    { key: "all", name: "all", options },
    { key: "bad", name: "bad", options: { ...options, min: "critical" as const } },
    { key: "shop", name: "shop", options: { ...options, only: ["shop"], afterMs: MINUTE } },
    { key: "calm", name: "calm", options: { ...options, quiet } },
  ];
  const at = Date.UTC(2026, 10, 22, 10);
  const keys = (notice: Partial<Notice>) =>
    planDeliveries(fakeNotice({ at, ...notice }), channels)
      .map(({ channel, onlyIfTold }) => onlyIfTold ? `${channel}?` : channel);
  assertEquals(keys({}), ["all", "bad", "shop", "calm"]);
  assertEquals(keys({ severity: "warning", tags: [] }), ["all", "calm"]);
  assertEquals(keys({ severity: "warning", kind: "update" }), ["all", "bad?", "shop", "calm"]);
  assertEquals(keys({ kind: "recovery" }), ["all?", "bad?", "shop?", "calm?"]);
  assertEquals(keys({ kind: "trouble", alert: undefined, tags: [] }), ["all", "bad", "calm"]);
  const [all, , shop, calm] = planDeliveries(fakeNotice({ at }), channels);
  assertEquals([all?.state, all?.dueAt, shop?.afterMs], ["waiting", at, MINUTE]);
  assertEquals([calm?.state, calm?.dueAt], ["deferred", at + 60 * MINUTE]);
});

Deno.test("addNotice() writes a notice once, with all that it says", () => {
  using place = openFakeStore();
  const { store } = place;
  const plan = planned({ cause: undefined, clients: ["a", "b"] }, { channel: "ops" });
  store.addNotice(plan);
  store.addNotice(plan);
  const [owed, ...more] = store.owedDeliveries("ops");
  assertEquals([owed?.notice, more.length], [plan.notice, 0]);
  assertEquals(store.owedDeliveries("other"), []);
});

Deno.test("a recovery and an update go to whoever was told, also when that failed meanwhile at others", () => {
  using place = openFakeStore();
  const { store } = place;
  store.addNotice(planned({}, { channel: "told" }, { channel: "failed" }, { channel: "tries" }));
  const [told] = store.owedDeliveries("told");
  const [failed] = store.owedDeliveries("failed");
  const settled = { at: NOW, tried: true, why: undefined };
  store.settleDelivery({ seq: told?.seq ?? 0, state: "delivered", ...settled });
  store.settleDelivery({ seq: failed?.seq ?? 0, state: "failed", ...settled });
  const rest = ["told", "failed", "tries", "never"].map((channel) => ({
    channel,
    onlyIfTold: true,
  }));
  store.addNotice(planned({ kind: "recovery" }, ...rest));
  assertEquals(states(store), [
    "told alert delivered",
    "failed alert failed",
    "tries alert waiting",
    "told recovery waiting",
    "tries recovery waiting",
  ]);
});

Deno.test("an update reaches a channel that was not told before, after its time", () => {
  using place = openFakeStore();
  const { store } = place;
  store.addNotice(planned({ kind: "update" }, { channel: "boss", afterMs: MINUTE }));
  const [owed] = store.owedDeliveries("boss");
  assertEquals([owed?.escalates, owed?.dueAt], [true, NOW + MINUTE]);
});

Deno.test("a delivery that begins is one that was told: its recovery follows", () => {
  using place = openFakeStore();
  const { store } = place;
  store.addNotice(planned({}, { channel: "boss", afterMs: MINUTE }));
  const [owed] = store.owedDeliveries("boss");
  assertEquals(store.beginDelivery(owed?.seq ?? 0), true);
  store.addNotice(planned({ kind: "recovery" }, { channel: "boss", onlyIfTold: true }));
  assertEquals(states(store), ["boss alert waiting", "boss recovery waiting"]);
  assertEquals(store.skipEscalations(1, { why: "acknowledged in time", at: NOW }), 0);
});

Deno.test("noteAttempt() brings a channel forward only when every other one has failed three times", () => {
  using place = openFakeStore();
  const { store } = place;
  const boss = { channel: "boss", afterMs: 10 * MINUTE };
  store.addNotice(planned({}, { channel: "a" }, { channel: "b" }, boss));
  const fail = (channel: string) => {
    const [owed] = store.owedDeliveries(channel);
    const tried = { at: NOW + 1, why: "down", nextTryAt: NOW + 2, refused: false };
    return store.noteAttempt({ seq: owed?.seq ?? 0, ...tried });
  };
  assertEquals(["a", "a", "a", "a", "b", "b"].flatMap(fail), []);
  assertEquals(fail("b"), ["boss"]);
  const [owed] = store.owedDeliveries("boss");
  assertEquals([owed?.escalates, owed?.dueAt], [false, NOW + 1]);
  assertEquals(fail("b"), []);
});

Deno.test("skipEscalations() and skipChannelsBeside() end what is not needed, and say why", () => {
  using place = openFakeStore();
  const { store } = place;
  store.addNotice(planned({}, { channel: "ops" }, { channel: "boss", afterMs: MINUTE }));
  assertEquals(store.skipEscalations(1, { why: "acknowledged in time", at: NOW + 1 }), 1);
  assertEquals(store.skipChannelsBeside(["boss"], NOW + 2), [{ name: "ops", count: 1 }]);
  const records = store.deliveriesOf([1]).map(({ why, settledAt }) => [why, settledAt]);
  assertEquals(records, [
    ["the channel is not configured any more", NOW + 2],
    ["acknowledged in time", NOW + 1],
  ]);
});

Deno.test("prune() keeps a notice for 400 days, and for as long as it is owed", () => {
  using place = openFakeStore();
  const { store } = place;
  store.addNotice(planned({ alert: 1 }, { channel: "ops" }));
  store.addNotice(planned({ alert: 2 }, { channel: "ops" }));
  const [first] = store.owedDeliveries("ops");
  const settled = { at: NOW, tried: true, why: undefined };
  store.settleDelivery({ seq: first?.seq ?? 0, state: "delivered", ...settled });
  store.prune(NOW + 400 * DAY);
  assertEquals([states(store, 1).length, states(store, 2).length], [1, 1]);
  store.prune(NOW + 400 * DAY + 1);
  assertEquals([states(store, 1).length, states(store, 2).length], [0, 1]);
});

Deno.test("nextDelivery() lets others past one that was refused, and nobody past one that failed", () => {
  const due = (seq: number, other: object = {}) => ({
    ...{ seq, notice: fakeNotice({ alert: seq }), state: "waiting" as const, dueAt: NOW + seq },
    ...{ escalates: false, attempts: 0, nextTryAt: 0, refused: false, ...other },
  });
  const failed = due(1, { attempts: 1, nextTryAt: NOW + 5_000 });
  assertEquals(nextDelivery([failed, due(2)], NOW), { notBefore: NOW + 5_000 });
  const refused = { ...failed, refused: true };
  assertEquals(nextDelivery([refused, due(2)], NOW), { send: due(2) });
  const same = due(2, { notice: refused.notice });
  assertEquals(nextDelivery([refused, same], NOW), { notBefore: NOW + 5_000 });
  const later = due(3, { escalates: true, dueAt: NOW + 9_000 });
  assertEquals(nextDelivery([later, due(4)], NOW), { send: due(4) });
  assertEquals(nextDelivery([later], NOW), { notBefore: NOW + 9_000 });
  assertEquals(nextDelivery([], NOW), { notBefore: Infinity });
});
