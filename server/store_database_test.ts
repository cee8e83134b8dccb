import { assert, assertEquals, assertThrows } from "@std/assert";
import { IN_MEMORY, openDatabase } from "../platform/database.ts";
import { MAX_MESSAGE_BYTES, MAX_OUTBOX_BYTES, MAX_OUTBOX_MESSAGES } from "../protocol/mod.ts";
import {
  MAX_ROWS,
  MAX_WAITING_PUSHES,
  PRUNE_ROWS,
  StoreDatabase,
  VACUUM_PAGES,
} from "./store_database.ts";
import type { ClientRecord, NewPush } from "./store_record.ts";
import { STORE_MIGRATIONS } from "./store_schema.ts";

const NOW = 1_763_800_000_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A store in memory that ends with its block. */
function open(): { store: StoreDatabase } & Disposable {
  const database = openDatabase(IN_MEMORY, { migrations: STORE_MIGRATIONS, busyTimeoutMs: 0 });
  return { store: new StoreDatabase(database), [Symbol.dispose]: () => database.close() };
}

function key(fill: number): Uint8Array {
  return new Uint8Array(32).fill(fill);
}

interface InviteOptions {
  name?: string;
  tags?: string[];
  uses?: number;
  expiresAt?: number;
}

function invite(store: StoreDatabase, id: string, options: InviteOptions = {}): void {
  const { name, tags = [], uses = 1, expiresAt = NOW + HOUR } = options;
  const secret = key(9);
  store.addInvite({ id, secret, expiresAt, usesLeft: uses, name, tags, createdAt: NOW });
}

/** Enrols the client `id`, by default under the name `till-1` of an invite of its own. */
function enrol(
  store: StoreDatabase,
  id: string,
  how: { invite?: string; name?: string; suggestedName?: string; now?: number } = {},
) {
  const own = crypto.randomUUID();
  if (how.invite === undefined) invite(store, own);
  return store.enrol({
    invite: how.invite ?? own,
    id,
    publicKey: key(1),
    name: how.invite === undefined ? how.name ?? "till-1" : how.name,
    suggestedName: how.suggestedName,
    now: how.now ?? NOW,
  });
}

function enrolled(store: StoreDatabase, id: string, name: string): ClientRecord {
  const record = enrol(store, id, { name });
  if (typeof record === "string") throw new Error(record);
  return record;
}

function queue(
  store: StoreDatabase,
  client: string,
  text: string,
  id: string = crypto.randomUUID(),
) {
  return store.queueMessage({ id, client, at: NOW, text });
}

Deno.test("[HB-27] enrol() takes one use and records the client with name, key and tags", () => {
  using place = open();
  const { store } = place;
  invite(store, "i", { tags: ["shop", "north"], uses: 2 });
  assertEquals(enrol(store, "k1", { invite: "i", name: "till-3" }), {
    id: "k1",
    name: "till-3",
    kind: "enrolled",
    publicKey: key(1) as Uint8Array<ArrayBuffer>,
    revoked: false,
    tags: ["shop", "north"],
    app: "",
    address: "",
    state: "PLANNED",
    cause: undefined,
    stateSince: NOW,
    lastSeen: undefined,
    plannedUntil: undefined,
  });
  assertEquals(store.clients().map(({ name }) => name), ["till-3"]);
  assertEquals(store.client("k1")?.name, "till-3");
  assertEquals(store.client("k2"), undefined);
});

Deno.test("[HB-27] enrol() takes as many machines as the invite has uses", () => {
  using place = open();
  const { store } = place;
  invite(store, "i", { uses: 2 });
  const outcomes = ["a", "b", "c"].map((id) => enrol(store, id, { invite: "i", name: id }));
  assertEquals(outcomes.map((outcome) => typeof outcome), ["object", "object", "string"]);
  assertEquals(outcomes[2], "used");
  assertEquals(store.clients().length, 2);
  assertEquals(store.inviteSecret("i"), key(9), "known, so that the answer tells nothing");
});

for (
  const [left, outcome] of [[1, "object"], [0, "string"], [-1, "string"]] as const
) {
  Deno.test(`[HB-27] enrol() looks at the expiry: ${left} ms before it`, () => {
    using place = open();
    const { store } = place;
    invite(store, "i", { expiresAt: NOW + HOUR });
    const result = enrol(store, "k", { invite: "i", now: NOW + HOUR - left });
    assertEquals(typeof result, outcome);
    if (typeof result === "string") assertEquals(result, "expired");
  });
}

Deno.test("[HB-27] enrol() of an unknown invite is like that of an expired one", () => {
  using place = open();
  assertEquals(enrol(place.store, "k", { invite: "nobody's" }), "expired");
});

Deno.test("[HB-27] enrol() names a client: as asked, else as invited, else as suggested", () => {
  using place = open();
  const { store } = place;
  invite(store, "named", { name: "till-3", uses: 9 });
  invite(store, "free", { uses: 9 });
  const nameOf = (id: string, how: Parameters<typeof enrol>[2]) => {
    const result = enrol(store, id, how);
    return typeof result === "string" ? result : result.name;
  };
  assertEquals(nameOf("a", { invite: "named", suggestedName: "my-host" }), "till-3");
  assertEquals(nameOf("b", { invite: "free", name: "mine", suggestedName: "my-host" }), "mine");
  assertEquals(nameOf("c", { invite: "free", suggestedName: "my-host" }), "my-host");
  assertEquals(nameOf("0123456789abcdef", { invite: "free" }), "client-01234567");
  assertEquals(nameOf("e", { invite: "named", name: "other" }), "wrong_name");
  assertEquals(nameOf("e", { invite: "named", name: "TILL-3" }), "wrong_name");
});

Deno.test("[HB-27] enrol() refuses the name of another client, whatever its case, and takes no use", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  invite(store, "i");
  assertEquals(enrol(store, "k2", { invite: "i", name: "till-3" }), "name_taken");
  assertEquals(enrol(store, "k2", { invite: "i", name: "TILL-3" }), "name_taken");
  assertEquals(enrol(store, "k2", { invite: "i", suggestedName: "Till-3" }), "name_taken");
  assertEquals(store.client("k2"), undefined);
  assertEquals(typeof enrol(store, "k2", { invite: "i", name: "till-4" }), "object");
});

Deno.test("[HB-27] enrol() lets a machine join again, under its own or a new name", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  assertEquals(enrolled(store, "k1", "till-3").name, "till-3");
  assertEquals(enrolled(store, "k1", "till-5").name, "till-5");
  assertEquals(store.clients().length, 1);
});

Deno.test("enrol() lets a revoked machine back in, and its name be taken while it is out", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  assertEquals(store.revoke("TILL-3", NOW)?.id, "k1");
  assertEquals(store.client("k1")?.revoked, true);
  assertEquals(store.clients(), []);
  enrolled(store, "k2", "till-3");
  assertEquals(enrol(store, "k1", { name: "till-3" }), "name_taken");
  assertEquals(enrolled(store, "k1", "till-4").revoked, false);
});

Deno.test("[HB-28] admitUnverified() never takes the name of an enrolled client", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  const open3 = { id: "open:till-3", name: "TILL-3", kind: "open" as const, now: NOW };
  assertEquals(store.admitUnverified(open3), null);
  const peer = { id: "open:till-4", name: "till-4", kind: "open" as const, now: NOW };
  const record = store.admitUnverified(peer);
  assertEquals([record?.name, record?.kind, record?.publicKey], ["till-4", "open", undefined]);
  assertEquals(store.admitUnverified(peer), record, "the same record when it comes again");
});

Deno.test("[HB-28] enrol() takes its name from an unverified client, which does not get it back", () => {
  using place = open();
  const { store } = place;
  const peer = { id: "open:till-3", name: "till-3", kind: "open" as const, now: NOW };
  store.admitUnverified(peer);
  assertEquals(enrolled(store, "k1", "till-3").name, "till-3");
  assertEquals(store.clients().map(({ id }) => id), ["k1"]);
  assertEquals(store.admitUnverified(peer), null);
});

Deno.test("admitUnverified() gives a classic peer another name when its address is one", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "10.0.0.7");
  const peer = { id: "classic:10.0.0.7", name: "10.0.0.7", kind: "classic" as const, now: NOW };
  assertEquals(store.admitUnverified(peer)?.name, "10.0.0.7.classic");
  assertEquals(store.admitUnverified(peer)?.name, "10.0.0.7.classic");
});

Deno.test("admitUnverified() renames a classic peer whose name a machine has taken since", () => {
  using place = open();
  const { store } = place;
  const peer = { id: "classic:10.0.0.7", name: "10.0.0.7", kind: "classic" as const, now: NOW };
  assertEquals(store.admitUnverified(peer)?.name, "10.0.0.7");
  enrolled(store, "k1", "10.0.0.7");
  const again = store.admitUnverified(peer);
  assertEquals([again?.name, again?.revoked], ["10.0.0.7.classic", false]);
  assertEquals(store.clients().map(({ name }) => name), ["10.0.0.7", "10.0.0.7.classic"]);
});

Deno.test("admitUnverified() keeps out whom the operator has revoked", () => {
  using place = open();
  const { store } = place;
  for (const kind of ["open", "classic"] as const) {
    const peer = { id: `${kind}:x`, name: `x-${kind}`, kind, now: NOW };
    store.admitUnverified(peer);
    store.revoke(`x-${kind}`, NOW);
    assertEquals(store.admitUnverified(peer), null);
  }
});

Deno.test("revoke() knows nobody else, resolves open alerts and keeps the timeline", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  assertEquals(store.revoke("till-4", NOW), null);
  store.changeState({
    client: "k1",
    state: "DOWN",
    cause: "silent",
    at: NOW,
    lastSeen: NOW,
    data: {},
    open: { cause: "silent", evidence: {} },
  });
  store.revoke("till-3", NOW + 5);
  assertEquals(store.alerts(true), []);
  assertEquals(store.alerts(false)[0]?.resolvedAt, NOW + 5);
  assertEquals(store.revoke("till-3", NOW), null, "it is revoked already");
  assertEquals(store.events({ client: "k1" }).length, 2);
});

Deno.test("[HB-51] receiveMessage() stores an id once, for each client on its own", () => {
  using place = open();
  const { store } = place;
  for (const id of ["k1", "k2"]) enrolled(store, id, `till-${id}`);
  const message = { id: "m1", client: "k1", sentAt: NOW - 5, at: NOW, text: "hello" };
  assertEquals(store.receiveMessage(message), true);
  assertEquals(store.receiveMessage({ ...message, text: "other" }), false);
  assertEquals(store.receiveMessage({ ...message, client: "k2" }), true);
  const events = store.events({ client: "k1", kinds: ["message"] });
  assertEquals(events.map(({ message }) => message), [
    {
      id: "m1",
      direction: "in",
      text: "hello",
      state: "stored",
      expiresAt: undefined,
      storedAt: NOW,
      shownAt: undefined,
    },
  ]);
});

Deno.test("[HB-51] receiveMessage() of one id a thousand times does not grow the store", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  const message = { id: "m1", client: "k1", sentAt: NOW, at: NOW, text: "hello" };
  const stored = Array.from({ length: 1_000 }, () => store.receiveMessage(message));
  assertEquals(stored.filter(Boolean).length, 1);
  assertEquals(store.events({}).length, 1);
});

Deno.test("[HB-53] queueMessage() takes exactly 1,000 messages and drops none", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  enrolled(store, "k2", "till-4");
  const taken = Array.from({ length: MAX_OUTBOX_MESSAGES - 1 }, (_, at) => {
    return queue(store, "k1", `text ${at}`, `m${at}`);
  });
  assertEquals(taken.filter((ok) => !ok), []);
  assertEquals(queue(store, "k1", "the last one that fits", "last"), true);
  assertEquals(queue(store, "k1", "one too many"), false);
  assertEquals(queue(store, "k2", "another client's queue"), true);
  const waiting = store.waitingMessages("k1");
  assertEquals(waiting.length, MAX_OUTBOX_MESSAGES);
  assertEquals([waiting[0]?.text, waiting.at(-1)?.text], ["text 0", "the last one that fits"]);
  store.markMessages("k1", { ids: ["m0"], state: "stored", at: NOW });
  assertEquals(queue(store, "k1", "there is room again"), true);
});

Deno.test("[HB-53] queueMessage() takes exactly 5 MiB of UTF-8", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  const full = "ü".repeat(MAX_MESSAGE_BYTES / 2);
  for (let bytes = 0; bytes < MAX_OUTBOX_BYTES - MAX_MESSAGE_BYTES; bytes += MAX_MESSAGE_BYTES) {
    assertEquals(queue(store, "k1", full), true);
  }
  assertEquals(queue(store, "k1", "x".repeat(MAX_MESSAGE_BYTES - 1)), true, "one byte is left");
  assertEquals(queue(store, "k1", "ü"), false, "two bytes are too many");
  assertEquals(queue(store, "k1", "x"), true, "one byte fits");
  assertEquals(queue(store, "k1", "x"), false, "nothing fits any more");
});

Deno.test("[HB-53] queueMessage() counts what is sent and has no receipt, but not for classic peers", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  store.admitUnverified({ id: "classic:a", name: "a", kind: "classic", now: NOW });
  for (const client of ["k1", "classic:a"]) {
    queue(store, client, "hello", "m1");
    assertEquals(store.waitingMessages(client).map(({ state }) => state), ["queued"]);
    store.markMessages(client, { ids: ["m1"], state: "sent", at: NOW });
  }
  assertEquals(store.waitingMessages("k1").map(({ state }) => state), ["sent"]);
  assertEquals(store.waitingMessages("classic:a"), []);
});

Deno.test("waitingMessages() gives them in the order in which they were queued", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  for (const id of ["m3", "m1", "m2"]) queue(store, "k1", id, id);
  store.markMessages("k1", { ids: ["m3"], state: "sent", at: NOW });
  assertEquals(store.waitingMessages("k1").map(({ id, clientName }) => [id, clientName]), [
    ["m3", "till-3"],
    ["m1", "till-3"],
    ["m2", "till-3"],
  ]);
});

Deno.test("markMessages() never goes backwards and says which ids changed", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  enrolled(store, "k2", "till-4");
  queue(store, "k1", "hello", "m1");
  queue(store, "k1", "hello", "m2");
  const mark = (client: string, ids: string[], state: "queued" | "sent" | "stored" | "shown") =>
    store.markMessages(client, { ids, state, at: NOW }).map(({ id }) => id).sort();
  assertEquals(mark("k2", ["m1"], "stored"), [], "another client's receipt");
  assertEquals(mark("k1", ["m1", "m2", "m9"], "sent"), ["m1", "m2"]);
  assertEquals(mark("k1", ["m1"], "shown"), ["m1"]);
  for (const state of ["queued", "sent", "stored", "shown"] as const) {
    assertEquals(mark("k1", ["m1"], state), []);
  }
  assertEquals(store.messageStates(["m2", "m1", "m9"]).sort((a, b) => a.id < b.id ? -1 : 1), [
    { id: "m1", state: "shown" },
    { id: "m2", state: "sent" },
  ]);
});

Deno.test("markMessages() notes when a message was stored and shown, each once", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  queue(store, "k1", "hello", "m1");
  const times = () => {
    const { storedAt, shownAt } = store.events({ kinds: ["message"] })[0]?.message ?? {};
    return [storedAt, shownAt];
  };
  store.markMessages("k1", { ids: ["m1"], state: "sent", at: NOW + 1 });
  assertEquals(times(), [undefined, undefined]);
  store.markMessages("k1", { ids: ["m1"], state: "stored", at: NOW + 2 });
  assertEquals(times(), [NOW + 2, undefined]);
  store.markMessages("k1", { ids: ["m1"], state: "shown", at: NOW + 3 });
  assertEquals(times(), [NOW + 2, NOW + 3]);
});

Deno.test("[HB-57] expireMessages() ends the wait at its time, and a late receipt still counts", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  const message = { client: "k1", at: NOW, text: "hello" };
  for (const [id, expiresAt] of [["m1", NOW + 10], ["m2", NOW + 11], ["m3", undefined]] as const) {
    store.queueMessage({ ...message, id, expiresAt });
  }
  assertEquals(store.expireMessages(NOW + 9), []);
  assertEquals(store.expireMessages(NOW + 10), [{ id: "m1", client: "k1", text: "hello" }]);
  assertEquals(store.waitingMessages("k1").map(({ id }) => id), ["m2", "m3"]);
  assertEquals(store.markMessages("k1", { ids: ["m1"], state: "sent", at: NOW }), []);
  assertEquals(store.markMessages("k1", { ids: ["m1"], state: "stored", at: NOW }).length, 1);
  assertEquals(store.expireMessages(NOW + DAY).map(({ id }) => id), ["m2"]);
});

Deno.test("waitingMessages() goes on behind a place, in bounded parts", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  for (let number = 0; number < 5; number++) queue(store, "k1", "x", `m${number}`);
  const [first] = store.waitingMessages("k1", { limit: 1 });
  const next = store.waitingMessages("k1", { afterSeq: first?.seq ?? 0, limit: 2 });
  assertEquals([first?.id, ...next.map(({ id }) => id)], ["m0", "m1", "m2"]);
});

Deno.test("untoldShown() gives messages of a client that were shown, until it has been told", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  const messages = ["m1", "m2", "m3"].map((id) => ({ id, sentAt: NOW, text: "hello" }));
  assertEquals(store.receiveMessages("k1", { messages, at: NOW }), ["m1", "m2", "m3"]);
  assertEquals(store.receiveMessages("k1", { messages, at: NOW }), []);
  store.markIncomingShown("k1", { ids: ["m1", "m3", "m9"], at: NOW + 1 });
  assertEquals(store.untoldShown("k1", 10), ["m1", "m3"]);
  assertEquals(store.untoldShown("k1", 1), ["m1"]);
  store.markShownTold("k1", ["m1", "m2"]);
  assertEquals(store.untoldShown("k1", 10), ["m3"]);
  const states = store.events({ kinds: ["message"] }).map(({ message }) => message?.state);
  assertEquals(states, ["shown", "stored", "shown"]);
});

Deno.test("[HB-59] addJournal() adds each entry once, whatever is sent again", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  const entries = (...numbers: number[]) =>
    numbers.map((seq) => ({ seq, at: NOW - 100 + seq, data: { event: "vitals", seq } }));
  const add = (journal: string, ...numbers: number[]) =>
    store.addJournal("k1", { journal, at: NOW, entries: entries(...numbers) });
  assertEquals([add("a", 0, 1, 4), add("a", 0, 1, 4), add("a", 3, 4, 5)], [3, 0, 1]);
  assertEquals(add("b", 0), 1, "a new journal begins anew");
  const lines = store.events({ client: "k1", kinds: ["journal"] });
  assertEquals(lines.map(({ data }) => (data as { seq: number }).seq), [0, 0, 1, 4, 5]);
});

Deno.test("events() gives lines in the order of what they tell of, and a follower in that of writing", () => {
  using place = open();
  const { store } = place;
  for (const at of [3, 1, 2]) store.addEvents([{ at, kind: "audit", data: {} }]);
  assertEquals(store.events({}).map(({ at }) => at), [1, 2, 3]);
  assertEquals(store.events({ afterSeq: 0 }).map(({ at }) => at), [3, 1, 2]);
});

Deno.test("markMessages() never touches a message of the client itself", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  store.receiveMessage({ id: "m1", client: "k1", sentAt: NOW, at: NOW, text: "hello" });
  assertEquals(store.markMessages("k1", { ids: ["m1"], state: "shown", at: NOW }), []);
});

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
  using place = open();
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
  using place = open();
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

Deno.test("noteConnected() and heartbeats keep how and when a client was last there", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  store.noteConnected("k1", { app: "hbclient 1.0.0", address: "10.0.0.7", at: NOW });
  store.addEvents([
    { at: NOW + 5, client: "k1", kind: "beat", data: {} },
    { at: NOW + 9, client: "k1", kind: "audit", data: {} },
  ]);
  const { app, address, lastSeen } = store.client("k1") ?? {};
  assertEquals([app, address, lastSeen], ["hbclient 1.0.0", "10.0.0.7", NOW + 5]);
});

function file(id: string, client: string) {
  return {
    id,
    client,
    direction: "in" as const,
    name: "a.txt",
    path: `/srv/hb/${client}/a.txt`,
    bytes: 5,
    sha256: "0".repeat(64),
    state: "stored",
    at: NOW,
  };
}

Deno.test("addFile() records a transfer once, with its line of the timeline", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  enrolled(store, "k2", "till-4");
  store.addFile(file("t1", "k1"));
  store.addFile(file("t1", "k2"));
  assertThrows(() => store.addFile(file("t1", "k1")));
  assertEquals([store.hasFile("k1", "t1"), store.hasFile("k1", "t2")], [true, false]);
  assertEquals(store.files().map(({ clientName }) => clientName), ["till-3", "till-4"]);
  assertEquals(store.files("k2"), [{ ...file("t1", "k2"), seq: 2, clientName: "till-4" }]);
  const { at: _at, client: _client, ...data } = file("t1", "k1");
  assertEquals(store.events({ client: "k1" }).map((event) => event.data), [data]);
});

Deno.test("addFile() keeps sizes up to 2^53 - 1", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  store.addFile({ ...file("t1", "k1"), bytes: Number.MAX_SAFE_INTEGER });
  assertEquals(store.files()[0]?.bytes, Number.MAX_SAFE_INTEGER);
});

Deno.test("events() filters by client, kind, time and place, oldest first", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  store.addEvents([
    { at: NOW, client: "k1", kind: "beat", data: { seq: 0 } },
    { at: NOW + 1, kind: "audit", data: { action: "invited" } },
    { at: NOW + 2, client: "k1", kind: "beat", data: { seq: 1 } },
    { at: NOW + 3, client: "k2", kind: "state", data: {} },
  ]);
  const seqs = (filter: Parameters<typeof store.events>[0]) =>
    store.events(filter).map(({ seq }) => seq);
  assertEquals(seqs({}), [1, 2, 3, 4]);
  assertEquals(seqs({ client: "k1" }), [1, 3]);
  assertEquals(seqs({ kinds: ["audit", "state"] }), [2, 4]);
  assertEquals(seqs({ kinds: [] }), []);
  assertEquals(seqs({ since: NOW + 2 }), [3, 4]);
  assertEquals(seqs({ afterSeq: 3 }), [4]);
  assertEquals(seqs({ client: "k1", kinds: ["beat"], since: NOW + 1, afterSeq: 1 }), [3]);
  const [first, second] = store.events({});
  assertEquals([first?.clientName, second?.clientName], ["till-3", undefined]);
});

Deno.test("events() gives at most 10,000 lines, the newest", () => {
  using place = open();
  const { store } = place;
  store.addEvents(
    Array.from({ length: MAX_ROWS + 2 }, () => ({ at: NOW, kind: "audit" as const, data: {} })),
  );
  const events = store.events({});
  assertEquals([events.length, events[0]?.seq, events.at(-1)?.seq], [MAX_ROWS, 3, MAX_ROWS + 2]);
});

Deno.test("prune() removes beats after a week and the rest after 400 days, in bounded parts", () => {
  using place = open();
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
    using place = open();
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
    using place = open();
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
    using place = open();
    const { store } = place;
    const change = { cause: "silent", lastSeen: at, at, data: {} };
    const open_ = { open: { cause: "silent", evidence: {} } };
    for (const [client, name] of [["k1", "till-1"], ["k2", "till-2"]] as const) {
      enrolled(store, client, name);
      store.changeState({ ...change, client, state: "DOWN", ...open_ });
    }
    store.changeState({ ...change, client: "k1", state: "UP", resolve: true });
    while (store.prune(NOW) > 0);
    const left = store.alerts(false).map(({ clientName, state }) => `${clientName} ${state}`);
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
  using place = open();
  const { store } = place;
  const nasty = "'); DROP TABLE client; --\u0000\u202e%_\\";
  invite(store, "i", { tags: [nasty] });
  const record = enrol(store, "k1", { invite: "i", name: "till-3" });
  if (typeof record === "string") throw new Error(record);
  assertEquals(record.tags, [nasty]);
  store.receiveMessage({ id: "m1", client: "k1", sentAt: NOW, at: NOW, text: nasty });
  assertEquals(store.events({ kinds: ["message"] })[0]?.message?.text, nasty);
  assertEquals(store.revoke(nasty, NOW), null);
  queue(store, "k1", nasty, "m2");
  assertEquals(store.waitingMessages("k1")[0]?.text, nasty);
});

Deno.test("[HB-45] changeState() keeps when a planned absence ends, and forgets it with the absence", () => {
  using place = open();
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

/** A file to push; its copy is `content`. */
function pushOf(id: string, client: string, content = "c1"): NewPush {
  return {
    id,
    client,
    name: "a.txt",
    path: "/op/a.txt",
    content,
    bytes: 5,
    sha256: "0".repeat(64),
  };
}

Deno.test("queuePushes() keeps what it was given, tells the timeline, and never more than the bound", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  enrolled(store, "k2", "till-4");
  const ids = Array.from({ length: MAX_WAITING_PUSHES + 2 }, (_, at) => `p${at}`);
  const pushes = [...ids.map((id) => pushOf(id, "k1")), pushOf("q", "k2")];
  assertEquals(store.queuePushes({ pushes, at: NOW }), [...ids.slice(0, MAX_WAITING_PUSHES), "q"]);
  assertEquals(store.fullPushQueues(["k1", "k2", "k3"]), ["k1"]);
  assertEquals(store.waitingPushes("k1", 2).map(({ id }) => id), ["p0", "p1"]);
  const state = { state: "queued" as const, landed: undefined, reason: undefined, at: NOW };
  assertEquals(store.waitingPush("k2", "q"), {
    ...pushOf("q", "k2"),
    ...state,
    clientName: "till-4",
  });
  assertEquals(store.waitingPush("k1", "q"), undefined);
  assertEquals(store.events({ client: "k2", kinds: ["file"] }).length, 1);
  store.settlePush("k1", { id: "p5", state: "refused", reason: "no", at: NOW });
  assertEquals(store.queuePushes({ pushes: [pushOf("again", "k1")], at: NOW }), ["again"]);
});

Deno.test("settlePush() ends a wait once, and says when nobody waits for the copy any more", () => {
  using place = open();
  const { store } = place;
  for (const [id, name] of [["k1", "till-3"], ["k2", "till-4"], ["k3", "till-5"]] as const) {
    enrolled(store, id, name);
  }
  const pushes = [pushOf("p1", "k1"), pushOf("p2", "k2"), pushOf("p3", "k3", "c2")];
  store.queuePushes({ pushes, at: NOW });
  const stored = { state: "stored" as const, landed: "a (2).txt", at: NOW + 1 };
  assertEquals(store.settlePush("k2", { id: "p1", ...stored }), undefined);
  const first = store.settlePush("k1", { id: "p1", ...stored });
  assertEquals([first?.unused, first?.push.landed, first?.push.at], [false, "a (2).txt", NOW + 1]);
  assertEquals(store.settlePush("k1", { id: "p1", ...stored }), undefined);
  const refused = { state: "refused" as const, reason: "denied: no", at: NOW };
  assertEquals(store.settlePush("k2", { id: "p2", ...refused })?.unused, true);
  assertEquals(store.outgoingContents(), ["c2"]);
  store.revoke("till-5", NOW);
  assertEquals(store.outgoingContents(), []);
  assertEquals(store.dropPushes("k3", { reason: "denied: revoked", at: NOW }), ["c2"]);
  assertEquals(store.pushStates(["p3", "p1", "none"]).map(({ id, state }) => [id, state]), [
    ["p1", "stored"],
    ["p3", "refused"],
  ]);
});

Deno.test("markPushesSent() and postponePush() never touch what does not wait", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  store.queuePushes({ pushes: [pushOf("p1", "k1"), pushOf("p2", "k1")], at: NOW });
  store.settlePush("k1", { id: "p2", state: "refused", reason: "no", at: NOW });
  store.markPushesSent("k1", { ids: ["p1", "p2", "p3"], at: NOW });
  store.postponePush("k1", { id: "p2", reason: "later", at: NOW });
  store.postponePush("k2", { id: "p1", reason: "later", at: NOW });
  const states = () => store.pushStates(["p1", "p2"]).map(({ state, reason }) => [state, reason]);
  assertEquals(states(), [["sent", undefined], ["refused", "no"]]);
  store.postponePush("k1", { id: "p1", reason: "later", at: NOW });
  assertEquals(states()[0], ["queued", "later"]);
});

Deno.test("[HB-113] a push is no upload: its id counts as not stored", () => {
  using place = open();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  store.queuePushes({ pushes: [pushOf("p1", "k1")], at: NOW });
  assertEquals(store.hasFile("k1", "p1"), false);
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
