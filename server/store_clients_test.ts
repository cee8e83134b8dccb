import { assertEquals } from "@std/assert";
import { enrol, enrolled, HOUR, invite, key, NOW, openFakeStore } from "./fake_store.ts";

Deno.test("[HB-27] enrol() takes one use and records the client with name, key and tags", () => {
  using place = openFakeStore();
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
  using place = openFakeStore();
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
    using place = openFakeStore();
    const { store } = place;
    invite(store, "i", { expiresAt: NOW + HOUR });
    const result = enrol(store, "k", { invite: "i", now: NOW + HOUR - left });
    assertEquals(typeof result, outcome);
    if (typeof result === "string") assertEquals(result, "expired");
  });
}

Deno.test("[HB-27] enrol() of an unknown invite is like that of an expired one", () => {
  using place = openFakeStore();
  assertEquals(enrol(place.store, "k", { invite: "nobody's" }), "expired");
});

Deno.test("[HB-27] enrol() names a client: as asked, else as invited, else as suggested", () => {
  using place = openFakeStore();
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
  using place = openFakeStore();
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
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  assertEquals(enrolled(store, "k1", "till-3").name, "till-3");
  assertEquals(enrolled(store, "k1", "till-5").name, "till-5");
  assertEquals(store.clients().length, 1);
});

Deno.test("enrol() lets a revoked machine back in, and its name be taken while it is out", () => {
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  assertEquals(store.revoke("TILL-3")?.id, "k1");
  assertEquals(store.client("k1")?.revoked, true);
  assertEquals(store.clients(), []);
  enrolled(store, "k2", "till-3");
  assertEquals(enrol(store, "k1", { name: "till-3" }), "name_taken");
  assertEquals(enrolled(store, "k1", "till-4").revoked, false);
});

Deno.test("[HB-28] admitUnverified() never takes the name of an enrolled client", () => {
  using place = openFakeStore();
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
  using place = openFakeStore();
  const { store } = place;
  const peer = { id: "open:till-3", name: "till-3", kind: "open" as const, now: NOW };
  store.admitUnverified(peer);
  assertEquals(enrolled(store, "k1", "till-3").name, "till-3");
  assertEquals(store.clients().map(({ id }) => id), ["k1"]);
  assertEquals(store.admitUnverified(peer), null);
});

Deno.test("admitUnverified() gives a classic peer another name when its address is one", () => {
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "10.0.0.7");
  const peer = { id: "classic:10.0.0.7", name: "10.0.0.7", kind: "classic" as const, now: NOW };
  assertEquals(store.admitUnverified(peer)?.name, "10.0.0.7.classic");
  assertEquals(store.admitUnverified(peer)?.name, "10.0.0.7.classic");
});

Deno.test("admitUnverified() renames a classic peer whose name a machine has taken since", () => {
  using place = openFakeStore();
  const { store } = place;
  const peer = { id: "classic:10.0.0.7", name: "10.0.0.7", kind: "classic" as const, now: NOW };
  assertEquals(store.admitUnverified(peer)?.name, "10.0.0.7");
  enrolled(store, "k1", "10.0.0.7");
  const again = store.admitUnverified(peer);
  assertEquals([again?.name, again?.revoked], ["10.0.0.7.classic", false]);
  assertEquals(store.clients().map(({ name }) => name), ["10.0.0.7", "10.0.0.7.classic"]);
});

Deno.test("admitUnverified() keeps out whom the operator has revoked", () => {
  using place = openFakeStore();
  const { store } = place;
  for (const kind of ["open", "classic"] as const) {
    const peer = { id: `${kind}:x`, name: `x-${kind}`, kind, now: NOW };
    store.admitUnverified(peer);
    store.revoke(`x-${kind}`);
    assertEquals(store.admitUnverified(peer), null);
  }
});

Deno.test("revoke() knows nobody else, and keeps the timeline", () => {
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  assertEquals(store.revoke("till-4"), null);
  const state = { client: "k1", state: "DOWN" as const, cause: "silent", at: NOW, lastSeen: NOW };
  store.recordChanges([{ state: { ...state, data: {} }, alerts: [] }]);
  store.revoke("till-3");
  assertEquals(store.revoke("till-3"), null, "it is revoked already");
  assertEquals(store.events({ client: "k1" }).length, 1);
});

Deno.test("noteConnected() and heartbeats keep how and when a client was last there", () => {
  using place = openFakeStore();
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
