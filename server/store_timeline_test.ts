import { assertEquals } from "@std/assert";
import { enrolled, NOW, openFakeStore } from "./fake_store.ts";
import { MAX_ROWS } from "./store_statements.ts";

Deno.test("[HB-59] addJournal() adds each entry once, whatever is sent again", () => {
  using place = openFakeStore();
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
  using place = openFakeStore();
  const { store } = place;
  for (const at of [3, 1, 2]) store.addEvents([{ at, kind: "audit", data: {} }]);
  assertEquals(store.events({}).map(({ at }) => at), [1, 2, 3]);
  assertEquals(store.events({ afterSeq: 0 }).map(({ at }) => at), [3, 1, 2]);
});

Deno.test("events() filters by client, kind, time and place, oldest first", () => {
  using place = openFakeStore();
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
  using place = openFakeStore();
  const { store } = place;
  store.addEvents(
    Array.from({ length: MAX_ROWS + 2 }, () => ({ at: NOW, kind: "audit" as const, data: {} })),
  );
  const events = store.events({});
  assertEquals([events.length, events[0]?.seq, events.at(-1)?.seq], [MAX_ROWS, 3, MAX_ROWS + 2]);
});
