import { assert, assertEquals } from "@std/assert";
import { openDatabase } from "../platform/database.ts";
import { fakeAlertChange } from "./alert/fake_alert.ts";
import {
  DAY,
  enrol,
  enrolled,
  file,
  invite,
  NOW,
  openFakeStore,
  pushOf,
  queue,
} from "./fake_store.ts";
import { PRUNE_ROWS, StoreDatabase, VACUUM_PAGES } from "./store_database.ts";
import { STORE_MIGRATIONS } from "./store_schema.ts";

Deno.test("prune() removes beats after a week and the rest after 400 days, in bounded parts", () => {
  using place = openFakeStore();
  const { store } = place;
  const ages = [0, 7 * DAY, 7 * DAY + 1, 400 * DAY, 400 * DAY + 1];
  store.addEvents(ages.flatMap((age) => [
    { at: NOW - age, kind: "beat" as const, data: { age } },
    { at: NOW - age, kind: "audit" as const, data: { age } },
  ]));
  assertEquals(store.prune(NOW), 4);
  assertEquals(store.prune(NOW), 0);
  assertEquals(store.events({ kinds: ["beat"] }).map(({ data }) => data), [
    { age: 7 * DAY },
    { age: 0 },
  ]);
  assertEquals(store.events({ kinds: ["audit"] }).map(({ data }) => data), [
    { age: 400 * DAY },
    { age: 7 * DAY + 1 },
    { age: 7 * DAY },
    { age: 0 },
  ]);
  store.addEvents(
    Array.from({ length: PRUNE_ROWS + 1 }, () => ({ at: 0, kind: "audit" as const, data: {} })),
  );
  assertEquals([store.prune(NOW), store.prune(NOW), store.prune(NOW)], [PRUNE_ROWS, 1, 0]);
});

/** Long enough ago to be removed, and just not. */
const AGES = [["past its time", NOW - 400 * DAY - 1], [
  "not past its time",
  NOW - 400 * DAY,
]] as const;

for (const [age, at] of AGES) {
  const goes = age === "past its time";

  Deno.test(`prune() removes messages that have come to their end and none that waits: ${age}`, () => {
    using place = openFakeStore();
    const { store } = place;
    enrolled(store, "k1", "till-1");
    store.admitUnverified({ id: "c", name: "10.0.0.7", kind: "classic", now: NOW });
    store.receiveMessage({ id: "in", client: "k1", sentAt: at, at, text: "in" });
    const out = ["queued", "sent", "expired", "stored", "shown"] as const;
    for (const state of out) {
      store.queueMessage({ id: state, client: "k1", at, text: state, expiresAt: at });
      if (state !== "queued") store.markMessages("k1", { ids: [state], state, at });
    }
    for (const state of ["queued", "sent"] as const) {
      store.queueMessage({ id: `c-${state}`, client: "c", at, text: `c-${state}` });
      if (state === "sent") store.markMessages("c", { ids: ["c-sent"], state, at });
    }
    // A message and its line each.
    const ended = ["in", "expired", "stored", "shown", "c-sent"];
    assertEquals(store.prune(NOW), goes ? 2 * ended.length : 0);
    assertEquals(store.prune(NOW), 0);
    const kept = goes ? ["queued", "sent", "c-queued"] : ["in", ...out, "c-queued", "c-sent"];
    const lines = store.events({ kinds: ["message"] }).map(({ message }) => message?.id);
    assertEquals(lines, kept);
    const again = store.receiveMessage({ id: "in", client: "k1", sentAt: at, at: NOW, text: "in" });
    assertEquals(again, goes, "an id is known for as long as its message");
  });

  Deno.test(`prune() removes files that have come to their end, their lines and folders, and none that waits: ${age}`, () => {
    using place = openFakeStore();
    const { store } = place;
    enrolled(store, "k1", "till-1");
    const received = { ...file("received", "k1"), at };
    store.addFile(received);
    store.addFolder({ client: "k1", id: "folder", name: "photos", at });
    store.queuePushes({ pushes: [pushOf("waits", "k1"), pushOf("sent", "k1")], at });
    store.markPushesSent("k1", { ids: ["sent"], at });
    store.queuePushes({ pushes: [pushOf("refused", "k1")], at });
    store.settlePush("k1", { id: "refused", state: "refused", reason: "no", at });
    while (store.prune(NOW) > 0);
    const ended = goes ? [] : [received.id];
    assertEquals(store.files("k1").map(({ id }) => id), [
      ...ended,
      "waits",
      "sent",
      ...(goes ? [] : ["refused"]),
    ]);
    assertEquals(store.folderName("k1", "folder"), goes ? undefined : "photos");
    const lines = store.events({ kinds: ["file"] }).map(({ data }) => (data as { id: string }).id);
    assertEquals(
      new Set(lines),
      new Set([...ended, "waits", "sent", ...(goes ? [] : ["refused"])]),
    );
  });

  Deno.test(`prune() removes alerts that are over and none that is open: ${age}`, () => {
    using place = openFakeStore();
    const { store } = place;
    const state = { cause: "silent", lastSeen: at, at, data: {} };
    for (const [client, name, id] of [["k1", "till-1", 1], ["k2", "till-2", 2]] as const) {
      enrolled(store, client, name);
      const alerts = [fakeAlertChange({ id, client, at })];
      store.recordChanges([{ state: { ...state, client, state: "DOWN" }, alerts }]);
    }
    const over = fakeAlertChange({ id: 1, client: "k1", at, what: "resolved" });
    store.recordChanges([{ state: { ...state, client: "k1", state: "UP" }, alerts: [over] }]);
    while (store.prune(NOW) > 0);
    const left = store.alerts(false).map(({ members, state }) => `${members[0]?.name} ${state}`);
    assertEquals(left, goes ? ["till-2 open"] : ["till-1 resolved", "till-2 open"]);
    assertEquals(store.events({ kinds: ["state"] }).length, goes ? 0 : 3);
  });
}

Deno.test("vacuum() gives the space of what was removed back, in bounded parts", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/hb.sqlite`;
    const database = openDatabase(path, { migrations: STORE_MIGRATIONS, busyTimeoutMs: 0 });
    const store = new StoreDatabase(database);
    const data = { text: "x".repeat(1_000) };
    store.addEvents(Array.from({ length: 5_000 }, () => ({ at: 0, kind: "audit" as const, data })));
    assertEquals(store.vacuum(), 0);
    while (store.prune(NOW) > 0);
    const parts: number[] = [];
    while (parts.at(-1) !== 0) parts.push(store.vacuum());
    assertEquals(parts.slice(0, -2).every((pages) => pages === VACUUM_PAGES), true, `${parts}`);
    assert(parts.length > 4, `${parts}`);
    const integrity = database.prepare("PRAGMA integrity_check").get();
    assertEquals(integrity?.integrity_check, "ok");
    database.close();
    assert((await Deno.stat(path)).size < 200_000);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("the store takes names, texts and tags as data, whatever stands in them", () => {
  using place = openFakeStore();
  const { store } = place;
  const nasty = "'); DROP TABLE client; --\u0000\u202e%_\\";
  invite(store, "i", { tags: [nasty] });
  const record = enrol(store, "k1", { invite: "i", name: "till-3" });
  if (typeof record === "string") throw new Error(record);
  assertEquals(record.tags, [nasty]);
  store.receiveMessage({ id: "m1", client: "k1", sentAt: NOW, at: NOW, text: nasty });
  assertEquals(store.events({ kinds: ["message"] })[0]?.message?.text, nasty);
  assertEquals(store.revoke(nasty), null);
  queue(store, "k1", nasty, "m2");
  assertEquals(store.waitingMessages("k1")[0]?.text, nasty);
});

Deno.test("a database of the first version keeps its files and can then queue pushes", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/a.sqlite`;
    const old = openDatabase(path, { migrations: STORE_MIGRATIONS.slice(0, 1), busyTimeoutMs: 0 });
    old.exec(`
      INSERT INTO client (id, name, kind, state_since, created_at) VALUES ('k1', 'till-3', 'open', 1, 1);
      INSERT INTO file (id, client, direction, name, path, bytes, sha256, state, at)
        VALUES ('t1', 'k1', 'in', 'a', '/a', 1, '00', 'stored', 1);
    `);
    old.close();
    const database = openDatabase(path, { migrations: STORE_MIGRATIONS, busyTimeoutMs: 0 });
    const store = new StoreDatabase(database);
    assertEquals(store.files().map(({ id, landed, reason }) => [id, landed, reason]), [
      ["t1", undefined, undefined],
    ]);
    assertEquals(store.queuePushes({ pushes: [pushOf("p1", "k1")], at: NOW }), ["p1"]);
    database.close();
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
