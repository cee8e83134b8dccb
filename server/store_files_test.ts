import { assertEquals, assertThrows } from "@std/assert";
import { enrolled, file, openFakeStore } from "./fake_store.ts";

Deno.test("addFile() records a transfer once, with its line of the timeline", () => {
  using place = openFakeStore();
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
  using place = openFakeStore();
  const { store } = place;
  enrolled(store, "k1", "till-3");
  store.addFile({ ...file("t1", "k1"), bytes: Number.MAX_SAFE_INTEGER });
  assertEquals(store.files()[0]?.bytes, Number.MAX_SAFE_INTEGER);
});
