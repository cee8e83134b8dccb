import { assertEquals, assertStringIncludes } from "@std/assert";
import { IN_MEMORY, openDatabase } from "../platform/database.ts";
import { commitGroup, type StoreAnswer, type StoreCall, type StoreMethod } from "./group_commit.ts";
import { StoreDatabase } from "./store_database.ts";
import { STORE_MIGRATIONS } from "./store_schema.ts";

const NOW = 1_763_800_000_000;

function open(path = IN_MEMORY) {
  const database = openDatabase(path, { migrations: STORE_MIGRATIONS, busyTimeoutMs: 0 });
  const tables = new StoreDatabase(database);
  tables.admitUnverified({ id: "k1", name: "till-3", kind: "open", now: NOW });
  return { database, tables, [Symbol.dispose]: () => database.close() };
}

function call(id: number, method: StoreMethod, ...args: unknown[]): StoreCall {
  return { id, method, args };
}

function receive(id: number, text = "hello"): StoreCall {
  const message = { id: `m${id}`, client: "k1", sentAt: NOW, at: NOW, text };
  return call(id, "receiveMessage", message);
}

function outcome(answer: StoreAnswer): unknown {
  return "error" in answer ? "failed" : answer.value;
}

Deno.test("commitGroup() answers every call with its own value, in order", () => {
  using store = open();
  const calls = [
    receive(1),
    receive(1),
    call(3, "client", "nobody"),
    call(4, "hasFile", "k1", "t"),
  ];
  assertEquals(commitGroup(calls, store), [
    { id: 1, value: true },
    { id: 1, value: false },
    { id: 3, value: undefined },
    { id: 4, value: false },
  ]);
  assertEquals(calls, []);
  assertEquals(store.database.isTransaction, false);
});

Deno.test("commitGroup() undoes a call that fails alone, not those before or behind it", () => {
  using store = open();
  const unknownClient = { id: "m2", client: "nobody", sentAt: NOW, at: NOW, text: "lost" };
  const answers = commitGroup(
    [receive(1), call(2, "receiveMessage", unknownClient), receive(3)],
    store,
  );
  assertEquals(answers.map(outcome), [true, "failed", true]);
  const failed = answers[1];
  assertStringIncludes(JSON.stringify(failed), "FOREIGN KEY");
  assertEquals(failed && "error" in failed && failed.error.full, false);
  assertEquals(store.tables.events({ kinds: ["message"] }).length, 2);
});

Deno.test("commitGroup() undoes all that a failing call had done before it failed", () => {
  using store = open();
  const events = [{ at: NOW, kind: "audit", data: {} }, {
    at: NOW,
    kind: "no such kind",
    data: {},
  }];
  assertEquals(commitGroup([call(1, "addEvents", events)], store).map(outcome), ["failed"]);
  assertEquals(store.tables.events({}), []);
});

Deno.test("commitGroup() undoes all that a failing call had done, and nothing of the calls around it", () => {
  using store = open();
  const event = { at: NOW, kind: "audit", data: {} };
  const events = [event, { ...event, kind: "nothing that there is" }];
  const calls = [receive(1), call(2, "addEvents", events), receive(3)];
  assertEquals(commitGroup(calls, store).map(outcome), [true, "failed", true]);
  const kinds = store.tables.events({}).map(({ kind }) => kind);
  assertEquals(kinds.filter((kind) => kind === "audit"), []);
  assertEquals(kinds.filter((kind) => kind === "message").length, 2);
});

Deno.test("commitGroup() fails a call of a method that there is not", () => {
  using store = open();
  const answers = commitGroup([call(1, "noSuchMethod" as StoreMethod), receive(2)], store);
  assertEquals(answers.map(outcome), ["failed", true]);
});

Deno.test("[HB-50] commitGroup() answers nobody with success when the commit fails", () => {
  using store = open();
  class FailingAtCommit extends StoreDatabase {
    override noteConnected(): void {
      store.database.exec("PRAGMA defer_foreign_keys = ON");
      store.database.exec(
        `INSERT INTO message (id, client, direction, sent_at, at, text, state)
         VALUES ('x', 'nobody', 'in', 0, 0, '', 'stored')`,
      );
    }
  }
  const { database } = store;
  const tables = new FailingAtCommit(database);
  const calls = [receive(1), call(2, "noteConnected", []), receive(3)];
  assertEquals(commitGroup(calls, { database, tables }).map(outcome), [
    "failed",
    "failed",
    "failed",
  ]);
  assertEquals(database.isTransaction, false);
  assertEquals(store.tables.events({}), []);
  assertEquals(commitGroup([receive(1)], store).map(outcome), [true], "and the next group works");
});

Deno.test("[HB-54] commitGroup() says when the disk is full, and goes on when it no longer is", () => {
  using store = open();
  const pages = (count: number) => store.database.exec(`PRAGMA max_page_count = ${count}`);
  pages(1); // SQLite takes the present size when that is larger.
  const long = "x".repeat(16_000);
  const answers = commitGroup([receive(1, long), receive(2, long), receive(3, long)], store);
  const failures = answers.filter((answer) => "error" in answer);
  assertEquals(failures.length > 0, true);
  for (const { error } of failures) assertEquals(error.full, true, error.message);
  assertEquals(store.database.isTransaction, false);
  pages(100_000);
  assertEquals(commitGroup([receive(3, long)], store).map(outcome), [true]);
});

Deno.test("[HB-54] commitGroup() answers what a full disk has room for, in its order", () => {
  using store = open();
  store.database.exec("PRAGMA max_page_count = 1");
  const long = "x".repeat(16_000);
  const answers = commitGroup([
    call(1, "client", "k1"),
    receive(2, long),
    receive(3),
    receive(4, long),
    call(5, "clients"),
  ], store);
  assertEquals(answers.map(({ id }) => id), [1, 2, 3, 4, 5]);
  assertEquals(answers.map((answer) => "error" in answer), [false, true, false, true, false]);
});

Deno.test("[HB-54] commitGroup() says when the disk is full at the commit", () => {
  using store = open();
  const { tables } = store;
  const full = Object.assign(new Error("database or disk is full"), { errcode: 13 });
  const database = new Proxy(store.database, {
    get: (target, name) => {
      const value = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (String(args[0]).startsWith("COMMIT")) throw full;
        return value.apply(target, args);
      };
    },
  });
  const answers = commitGroup([receive(1), receive(2)], { database, tables });
  const error = { message: "database or disk is full", full: true };
  assertEquals(answers, [{ id: 1, error }, { id: 2, error }]);
  assertEquals(store.database.isTransaction, false);
});

Deno.test("commitGroup() leaves what is above 1,000 calls to the next group", () => {
  using store = open();
  const calls = Array.from({ length: 1_001 }, (_, id) => call(id, "client", "k1"));
  assertEquals(commitGroup(calls, store).length, 1_000);
  assertEquals(calls.map(({ id }) => id), [1_000]);
});

Deno.test("[HB-50] commitGroup() has written what it answers to the file", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/hb.sqlite`;
    using store = open(path);
    commitGroup([receive(1)], store);
    using other = openDatabase(path, { migrations: STORE_MIGRATIONS, busyTimeoutMs: 0 });
    assertEquals(new StoreDatabase(other).events({ kinds: ["message"] }).length, 1);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
