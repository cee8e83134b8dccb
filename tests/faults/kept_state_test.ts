import { assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { ClientStore, MAX_INBOX_MESSAGES } from "../../client/store.ts";
import { FakeClock } from "../../platform/fake_clock.ts";
import { temporaryDirectory } from "../temporary_directory.ts";
import { clientDatabase, InboxMemory, integrity, waitingOfClient } from "./kept_state.ts";

/** An inbox of which some messages have been looked at, then changed by `change`; what is in mind after that. */
async function inMindAfter(
  texts: readonly string[],
  change: (store: ClientStore, path: string) => void,
): Promise<string[]> {
  await using desk = await temporaryDirectory();
  const memory = new InboxMemory(desk.path);
  {
    using store = new ClientStore(desk.path, { clock: new FakeClock() });
    store.receive(texts.map((text) => ({ id: text, at: 1, text })));
    memory.look();
    change(store, desk.path);
    memory.look();
    assertEquals(waitingOfClient(desk.path), 0);
  }
  assertEquals(integrity(clientDatabase(desk.path)), "ok");
  return memory.received;
}

Deno.test("InboxMemory keeps in mind what a full inbox has forgotten, in its place", async () => {
  const found = await inMindAfter(["one", "two"], (store) => {
    const many = Array.from({ length: MAX_INBOX_MESSAGES }, (_, n) => `${n}`);
    store.receive(many.map((text) => ({ id: text, at: 1, text })));
  });
  assertEquals(found.slice(0, 3), ["one", "two", "0"]);
  assertEquals(found.length, MAX_INBOX_MESSAGES + 2);
});

Deno.test("InboxMemory of a client that has died before it made its tables is empty", async () => {
  await using desk = await temporaryDirectory();
  const memory = new InboxMemory(desk.path);
  memory.look();
  await Deno.writeFile(clientDatabase(desk.path), new Uint8Array());
  memory.look();
  assertEquals(memory.received, []);
});

Deno.test("InboxMemory misses what is gone from an inbox that is not full", async () => {
  const found = await inMindAfter(["one", "two", "three"], (_store, path) => {
    using database = new DatabaseSync(clientDatabase(path));
    database.exec("DELETE FROM inbox WHERE text <> 'two'");
  });
  assertEquals(found, ["two"]);
});
