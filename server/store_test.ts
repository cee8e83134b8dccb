import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { openStore, type Store, StoreError } from "./store.ts";

const NOW = 1_763_800_000_000;

/** A directory for databases that is removed at the end. */
async function scratch() {
  const directory = await Deno.makeTempDir();
  return {
    path: join(directory, "hbserver.sqlite"),
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}

function receive(store: Store, id: string) {
  return store.receiveMessage({ id, client: "open:x", sentAt: NOW, at: NOW, text: `text ${id}` });
}

function admit(store: Store) {
  return store.admitUnverified({ id: "open:x", name: "x", kind: "open", now: NOW });
}

Deno.test("openStore() keeps what was written from one start to the next", async () => {
  await using place = await scratch();
  const first = await openStore(place.path);
  assertEquals((await admit(first))?.name, "x");
  assertEquals([await receive(first, "m1"), await receive(first, "m1")], [true, false]);
  await first.close();
  const second = await openStore(place.path);
  assertEquals((await second.clients()).map(({ id }) => id), ["open:x"]);
  const [event] = await second.events({ kinds: ["message"] });
  assertEquals(event?.message?.text, "text m1");
  await second.close();
});

Deno.test("openStore() answers concurrent calls each with its own, in order", async () => {
  await using place = await scratch();
  const store = await openStore(place.path);
  await admit(store);
  const answers = await Promise.all([
    receive(store, "m1"),
    receive(store, "m1"),
    store.hasFile("open:x", "t1"),
    store.client("nobody"),
    ...Array.from({ length: 2_000 }, (_, at) => receive(store, `n${at}`)),
  ]);
  assertEquals(answers.slice(0, 4), [true, false, false, undefined]);
  assertEquals(answers.slice(4).every((answer) => answer === true), true);
  const texts = (await store.events({ kinds: ["message"] })).map(({ message }) => message?.text);
  assertEquals(texts.slice(0, 3), ["text m1", "text n0", "text n1"]);
  await store.close();
});

Deno.test("openStore() carries bytes, undefined and null across its worker", async () => {
  await using place = await scratch();
  const store = await openStore(place.path);
  const secret = new Uint8Array([0, 255, 1]);
  await store.addInvite({
    id: "i",
    secret,
    expiresAt: NOW + 1,
    usesLeft: 1,
    name: undefined,
    tags: ["a"],
    createdAt: NOW,
  });
  assertEquals(await store.inviteSecret("i"), secret);
  assertEquals(await store.inviteSecret("j"), undefined);
  assertEquals(await store.revoke("nobody"), null);
  await store.close();
});

Deno.test("openStore() rejects one failing call with StoreError and goes on", async () => {
  await using place = await scratch();
  const store = await openStore(place.path);
  const [error, fine] = await Promise.all([
    assertRejects(() => receive(store, "m1"), StoreError, "Cannot use the database: FOREIGN KEY"),
    admit(store),
  ]);
  assertEquals([error.name, error.full, fine?.name], ["StoreError", false, "x"]);
  assertEquals(await receive(store, "m1"), true);
  await store.close();
});

Deno.test("close() commits what is under way and refuses what comes later", async () => {
  await using place = await scratch();
  const store = await openStore(place.path);
  await admit(store);
  const under = Array.from({ length: 50 }, (_, at) => receive(store, `m${at}`));
  const closing = store.close();
  const late = assertRejects(() => receive(store, "late"), StoreError, "it is closed");
  assertEquals((await Promise.all(under)).every(Boolean), true);
  await Promise.all([closing, late, store.close()]);
  await assertRejects(() => store.clients(), StoreError, "it is closed");
  const again = await openStore(place.path);
  assertEquals((await again.events({ kinds: ["message"] })).length, 50);
  await again.close();
});

Deno.test("openStore() refuses a file that is no database, with a hint, and leaves it alone", async () => {
  await using place = await scratch();
  for (const text of ["not a database", "not a database ".repeat(1_000)]) {
    await Deno.writeTextFile(place.path, text);
    const error = await assertRejects(() => openStore(place.path), StoreError);
    assertStringIncludes(error.message, "it is no database");
    assertStringIncludes(error.hint ?? "", "Move that file away");
    assertEquals(await Deno.readTextFile(place.path), text);
  }
});

Deno.test("openStore() refuses a directory that is not there", async () => {
  await using place = await scratch();
  const path = join(place.path, "missing", "hbserver.sqlite");
  const error = await assertRejects(() => openStore(path), StoreError);
  assertStringIncludes(error.message, "Cannot use database");
});

Deno.test("openStore() gives something that can be awaited by mistake", async () => {
  await using place = await scratch();
  const store = await openStore(place.path);
  assertEquals(await store === store, true);
  await store.close();
});
