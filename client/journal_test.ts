import { assertEquals, assertNotEquals } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import { ClientStore } from "./store.ts";

/** A journal of at most `maxEntries`. */
function withJournal(
  maxEntries: number,
  run: (context: { store: ClientStore; clock: FakeClock; directory: string }) => void,
): void {
  const directory = Deno.makeTempDirSync();
  const clock = new FakeClock();
  try {
    using store = new ClientStore(directory, { clock, maxJournalEntries: maxEntries });
    run({ store, clock, directory });
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("[HB-58] Journal keeps entries with rising numbers until the server has them", () => {
  withJournal(100, ({ store: { journal }, clock }) => {
    journal.add("server_lost", { reason: "reset" });
    journal.add("vitals", { vitals: { cpu: 0.5 } });
    journal.add("slept", { ms: 1234.6 });
    const entries = journal.unsent(100);
    const [first = 0] = entries.map(({ seq }) => seq);
    const at = clock.wall();
    assertEquals(entries, [
      { seq: first, at, event: "server_lost", reason: "reset" },
      { seq: first + 1, at, event: "vitals", vitals: { cpu: 0.5 } },
      { seq: first + 2, at, event: "slept", ms: 1235 },
    ]);
    assertEquals(journal.unsent(1).map(({ seq }) => seq), [first]);
    journal.markSent(first + 1, 0);
    assertEquals(journal.unsent(100).map(({ event }) => event), ["slept"]);
    assertEquals(journal.last(2).map(({ event }) => event), ["vitals", "slept"]);
  });
});

Deno.test("[HB-58] Journal drops what the server has first, then vitals, then the oldest, and counts what it lost", () => {
  withJournal(4, ({ store: { journal } }) => {
    const events = () => journal.last(100).map(({ event }) => event).join(" ");
    journal.add("started");
    journal.add("server_lost");
    journal.markSent(journal.last(1)[0]?.seq ?? 0, 0);
    for (const event of ["server_back", "vitals", "vitals"] as const) journal.add(event);
    assertEquals([events(), journal.dropped], ["server_lost server_back vitals vitals", 0]);
    journal.add("slept");
    assertEquals([events(), journal.dropped], ["server_back vitals vitals slept", 0]);
    journal.add("server_lost");
    assertEquals([events(), journal.dropped], ["server_back vitals slept server_lost", 1]);
    journal.add("server_back");
    journal.add("server_lost");
    assertEquals([events(), journal.dropped], ["slept server_lost server_back server_lost", 3]);
    journal.markSent(0, 2);
    assertEquals(journal.dropped, 1);
  });
});

Deno.test("Journal has one id for as long as its data directory lives, and cuts long reasons", () => {
  let id = "";
  withJournal(10, ({ store, directory, clock }) => {
    using again = new ClientStore(directory, { clock });
    assertEquals(again.journal.id, store.journal.id);
    id = store.journal.id;
    store.journal.add("stopped", { reason: "x".repeat(99) + "\u{1f600}" });
    assertEquals(store.journal.last(1)[0]?.reason?.length, 100);
  });
  withJournal(10, ({ store }) => assertNotEquals(store.journal.id, id));
});
