import { assertEquals } from "@std/assert";
import { enrolled, NOW, openFakeStore } from "./fake_store.ts";
import type { StoreDatabase } from "./store_database.ts";

function down(store: StoreDatabase, client: string, at: number) {
  const evidence = { gap_ms: 20_000 };
  const open = { cause: "silent", evidence };
  const change = { client, state: "DOWN" as const, cause: "silent", at, lastSeen: at - 50_000 };
  return store.changeState({ ...change, data: { state: "DOWN" }, open });
}

function up(store: StoreDatabase, client: string, at: number) {
  const change = { client, state: "UP" as const, cause: undefined, at, lastSeen: at };
  return store.changeState({ ...change, data: { state: "UP" }, resolve: true });
}

Deno.test("changeState() opens one alert per outage and resolves it once", () => {
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  enrolled(store, "k2", "till-4");
  assertEquals(up(store, "k1", NOW - 1), { alert: undefined });
  assertEquals(down(store, "k1", NOW), { alert: 1 });
  assertEquals(down(store, "k1", NOW + 1), { alert: undefined }, "it is open already");
  const second = down(store, "k2", NOW + 2).alert;
  assertEquals(store.alerts(true).map(({ id, clientName }) => [id, clientName]), [
    [1, "till-3"],
    [second, "till-4"],
  ]);
  assertEquals(up(store, "k1", NOW + 60_000), { alert: 1 });
  assertEquals(up(store, "k1", NOW + 60_001), { alert: undefined });
  const third = down(store, "k1", NOW + 90_000).alert;
  assertEquals(store.alerts(true).map(({ id }) => id), [second, third]);
  assertEquals(store.alerts(false)[0], {
    id: 1,
    kind: "down",
    clientName: "till-3",
    state: "resolved",
    cause: "silent",
    openedAt: NOW,
    resolvedAt: NOW + 60_000,
    evidence: { gap_ms: 20_000 },
  });
});

Deno.test("changeState() notes state, cause and time, and writes the lines of the timeline", () => {
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  down(store, "k1", NOW);
  const record = store.client("k1");
  assertEquals([record?.state, record?.cause], ["DOWN", "silent"]);
  assertEquals([record?.stateSince, record?.lastSeen], [NOW, NOW - 50_000]);
  up(store, "k1", NOW + 60_000);
  assertEquals([store.client("k1")?.state, store.client("k1")?.cause], ["UP", undefined]);
  assertEquals(store.events({}).map(({ kind, data }) => [kind, data]), [
    ["state", { state: "DOWN" }],
    ["alert", { id: 1, state: "open", cause: "silent", evidence: { gap_ms: 20_000 } }],
    ["state", { state: "UP" }],
    ["alert", { id: 1, state: "resolved", cause: "silent", open_ms: 60_000 }],
  ]);
});

Deno.test("[HB-45] changeState() keeps when a planned absence ends, and forgets it with the absence", () => {
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  const change = { client: "k1", at: NOW, lastSeen: NOW, data: {} };
  store.changeState({
    ...change,
    state: "PLANNED",
    cause: "said bye: reboot",
    plannedUntil: NOW + 600_000,
  });
  assertEquals(store.client("k1")?.plannedUntil, NOW + 600_000);
  store.changeState({ ...change, state: "UP", cause: undefined });
  assertEquals(store.client("k1")?.plannedUntil, undefined);
});
