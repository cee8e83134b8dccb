import { assertEquals } from "@std/assert";
import { parseWeeklyWindow } from "./alert/calendar.ts";
import { fakeAlertChange } from "./alert/fake_alert.ts";
import type { NewOverlay } from "./alert/overlay.ts";
import { enrolled, NOW, openFakeStore } from "./fake_store.ts";
import type { StoreDatabase } from "./store_database.ts";

function down(store: StoreDatabase, change: { id: number; client: string; at: number }) {
  const { client, at } = change;
  const state = { client, state: "DOWN" as const, cause: "silent", at, lastSeen: at - 50_000 };
  const alerts = [fakeAlertChange(change)];
  store.recordChanges([{ state: { ...state, data: { state: "DOWN" } }, alerts }]);
}

function up(store: StoreDatabase, change: { id: number; client: string; at: number }) {
  const { client, at } = change;
  const state = { client, state: "UP" as const, cause: undefined, at, lastSeen: at };
  const alerts = [fakeAlertChange({ ...change, what: "resolved" })];
  store.recordChanges([{ state: { ...state, data: { state: "UP" } }, alerts }]);
}

Deno.test("recordChanges() keeps alerts with their machines until they are resolved", () => {
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  enrolled(store, "k2", "till-4");
  down(store, { id: 1, client: "k1", at: NOW });
  down(store, { id: 2, client: "k2", at: NOW + 2 });
  const names = (onlyOpen: boolean) =>
    store.alerts(onlyOpen).map(({ id, members }) => [id, ...members.map(({ name }) => name)]);
  assertEquals(names(true), [[1, "till-3"], [2, "till-4"]]);
  assertEquals(store.openAlerts().lastId, 2);
  const [open] = store.openAlerts().open;
  assertEquals([open?.id, [...open?.members.keys() ?? []]], [1, ["k1"]]);
  up(store, { id: 1, client: "k1", at: NOW + 60_000 });
  assertEquals(names(true), [[2, "till-4"]]);
  const [over] = store.alerts(false);
  assertEquals([over?.state, over?.resolvedAt], ["resolved", NOW + 60_000]);
  assertEquals(over?.members[0]?.status, "back");
  assertEquals(over?.members[0]?.downtimeMs, 50_000);
  assertEquals(over?.members[0]?.evidence?.gap_ms, 20_000);
});

Deno.test("recordChanges() keeps what an alert has become: several machines, acknowledged, in words", () => {
  using place = openFakeStore();
  const { store } = place;
  for (const [id, name] of [["k1", "till-3"], ["k2", "till-4"]] as const) enrolled(store, id, name);
  const change = fakeAlertChange({ id: 5, client: "k1", at: NOW });
  store.recordChanges([{ alerts: [change] }]);
  const other = fakeAlertChange({ id: 5, client: "k2", at: NOW + 10, what: "changed" });
  const acknowledgement = { by: "kim", note: "on my way", at: NOW + 5, until: NOW + 60_000 };
  const alert = {
    ...{ ...change.alert, kind: "group" as const, cause: "server suspect" as const },
    ...{ scope: "all 2 machines", acknowledgement, words: { title: "t", text: "x" } },
  };
  store.recordChanges([{ alerts: [{ ...other, alert }] }]);
  const [stored] = store.alerts(true);
  assertEquals([stored?.kind, stored?.cause, stored?.scope], [
    "group",
    "server suspect",
    "all 2 machines",
  ]);
  assertEquals(stored?.acknowledgement, acknowledgement);
  assertEquals(stored?.words, { title: "t", text: "x" });
  assertEquals(stored?.openedAt, NOW);
  assertEquals(stored?.members.map(({ name }) => name), ["till-3", "till-4"]);
  assertEquals(store.openAlerts().open[0]?.members.size, 2);
});

Deno.test("recordChanges() notes state, cause and time, and writes the lines of the timeline", () => {
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  down(store, { id: 1, client: "k1", at: NOW });
  const record = store.client("k1");
  assertEquals([record?.state, record?.cause], ["DOWN", "silent"]);
  assertEquals([record?.stateSince, record?.lastSeen], [NOW, NOW - 50_000]);
  up(store, { id: 1, client: "k1", at: NOW + 60_000 });
  assertEquals([store.client("k1")?.state, store.client("k1")?.cause], ["UP", undefined]);
  const about = { id: 1, cause: "silent", alert_cause: "silent" };
  const { evidence } = fakeAlertChange({ id: 1, client: "k1", at: NOW });
  assertEquals(store.events({}).map(({ kind, data }) => [kind, data]), [
    ["state", { state: "DOWN" }],
    ["alert", { ...about, state: "open", status: "down", evidence }],
    ["state", { state: "UP" }],
    ["alert", { ...about, state: "resolved", status: "back", open_ms: 0 }],
  ]);
});

Deno.test("overlays() gives back what addOverlay() kept, until it is removed", () => {
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  const common = { at: NOW, by: "kim", note: undefined, untilBack: false, weekly: undefined };
  const overlays: NewOverlay[] = [
    { ...common, kind: "maintenance", target: { client: "k1" }, until: undefined, untilBack: true },
    { ...common, kind: "snooze", target: { tag: "shop" }, until: NOW + 60_000, note: "rewiring" },
    {
      ...{ ...common, kind: "maintenance", target: { all: true }, until: undefined },
      weekly: parseWeeklyWindow("Sun 02:00-04:00", "Europe/Berlin"),
    },
  ];
  const ids = overlays.map((overlay) => store.addOverlay(overlay));
  assertEquals(
    store.overlays(),
    overlays.map((overlay, index) => ({ id: ids[index] ?? 0, ...overlay })),
  );
  store.removeOverlays([ids[0] ?? 0, ids[2] ?? 0]);
  assertEquals(store.overlays().map(({ id }) => id), [ids[1]]);
});

Deno.test("[HB-45] recordChanges() keeps when a planned absence ends, and forgets it with the absence", () => {
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  const change = { client: "k1", at: NOW, lastSeen: NOW, data: {} };
  const planned = { state: "PLANNED" as const, cause: "said bye: reboot" };
  const plannedUntil = NOW + 600_000;
  store.recordChanges([{ state: { ...change, ...planned, plannedUntil }, alerts: [] }]);
  assertEquals(store.client("k1")?.plannedUntil, NOW + 600_000);
  store.recordChanges([{ state: { ...change, state: "UP", cause: undefined }, alerts: [] }]);
  assertEquals(store.client("k1")?.plannedUntil, undefined);
});
