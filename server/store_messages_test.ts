import { assertEquals } from "@std/assert";
import { MAX_MESSAGE_BYTES, MAX_OUTBOX_BYTES, MAX_OUTBOX_MESSAGES } from "../protocol/mod.ts";
import { DAY, enrolled, NOW, openFakeStore, queue } from "./fake_store.ts";

Deno.test("[HB-51] receiveMessage() stores an id once, for each client on its own", () => {
  using place = openFakeStore();
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
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  const message = { id: "m1", client: "k1", sentAt: NOW, at: NOW, text: "hello" };
  const stored = Array.from({ length: 1_000 }, () => store.receiveMessage(message));
  assertEquals(stored.filter(Boolean).length, 1);
  assertEquals(store.events({}).length, 1);
});

Deno.test("[HB-53] queueMessage() takes exactly 1,000 messages and drops none", () => {
  using place = openFakeStore();
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
  using place = openFakeStore();
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
  using place = openFakeStore();
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
  using place = openFakeStore();
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
  using place = openFakeStore();
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
  using place = openFakeStore();
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
  using place = openFakeStore();
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
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  for (let number = 0; number < 5; number++) queue(store, "k1", "x", `m${number}`);
  const [first] = store.waitingMessages("k1", { limit: 1 });
  const next = store.waitingMessages("k1", { afterSeq: first?.seq ?? 0, limit: 2 });
  assertEquals([first?.id, ...next.map(({ id }) => id)], ["m0", "m1", "m2"]);
});

Deno.test("untoldShown() gives messages of a client that were shown, until it has been told", () => {
  using place = openFakeStore();
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

Deno.test("markMessages() never touches a message of the client itself", () => {
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  store.receiveMessage({ id: "m1", client: "k1", sentAt: NOW, at: NOW, text: "hello" });
  assertEquals(store.markMessages("k1", { ids: ["m1"], state: "shown", at: NOW }), []);
});
