import { assertEquals } from "@std/assert";
import { enrolled, NOW, openFakeStore, pushOf } from "./fake_store.ts";
import { MAX_WAITING_PUSHES } from "./store_pushes.ts";

Deno.test("queuePushes() keeps what it was given, tells the timeline, and never more than the bound", () => {
  using place = openFakeStore();
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
  using place = openFakeStore();
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
  store.revoke("till-5");
  assertEquals(store.outgoingContents(), []);
  assertEquals(store.dropPushes("k3", { reason: "denied: revoked", at: NOW }), ["c2"]);
  assertEquals(store.pushStates(["p3", "p1", "none"]).map(({ id, state }) => [id, state]), [
    ["p1", "stored"],
    ["p3", "refused"],
  ]);
});

Deno.test("markPushesSent() and postponePush() never touch what does not wait", () => {
  using place = openFakeStore();
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
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  store.queuePushes({ pushes: [pushOf("p1", "k1")], at: NOW });
  assertEquals(store.hasFile("k1", "p1"), false);
});
