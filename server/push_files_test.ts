import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { fakeOperations } from "./fake_operator.ts";
import { FakeServer, type FakeServerOptions } from "./fake_server.ts";
import { OperationError } from "./operation_error.ts";
import { MAX_WAITING_PUSHES } from "./store_pushes.ts";
import { StoreError } from "./store.ts";

const SHA256 = "0".repeat(64);

/** A server with two clients of one tag, and a file to push. */
async function begin(options: FakeServerOptions = {}) {
  const server = await FakeServer.start(options);
  const operations = fakeOperations(server);
  const path = join(server.directory, "setup.msi");
  await Deno.writeTextFile(path, "setup");
  const clients: string[] = [];
  for (const name of ["till-3", "till-4"]) {
    const { keyId } = await server.enrol(name, ["tills"]);
    const record = server.tables.client(keyId);
    if (record !== undefined) server.parts.roster.admit(record);
    clients.push(keyId);
  }
  const [till3 = "", till4 = ""] = clients;
  return {
    server,
    operations,
    path,
    till3,
    till4,
    copies: async () => (await Array.fromAsync(Deno.readDir(server.outgoing))).length,
    /** Fills the queue of a client but for `room` files. */
    fill: (client: string, room: number) => {
      const file = { name: "f", path: "/f", content: "c", bytes: 1, sha256: SHA256 };
      const pushes = Array.from(
        { length: MAX_WAITING_PUSHES - room },
        () => ({ id: crypto.randomUUID(), client, ...file }),
      );
      server.tables.queuePushes({ pushes, at: 1 });
    },
    classic: (name: string) => {
      const record = server.tables.admitUnverified({ id: name, name, kind: "classic", now: 1 });
      if (record !== null) server.parts.roster.admit(record);
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Asserts that a push is refused with this code and that nothing is queued; its words. */
async function refused(
  place: Awaited<ReturnType<typeof begin>>,
  work: Promise<unknown>,
  code: OperationError["code"],
): Promise<string> {
  const before = place.server.tables.files().length;
  const error = await assertRejects(() => work, OperationError);
  assertEquals([error.code, place.server.tables.files().length], [code, before]);
  assertEquals(await place.copies(), 0);
  return error.message;
}

Deno.test("push() to a tag queues one row per client and one copy, committed before it answers", async () => {
  await using place = await begin();
  const { server, operations, path } = place;
  const { ids, refused } = await operations.push("@tills", { paths: [path] });
  assertEquals([ids.length, refused, await place.copies()], [2, [], 1]);
  const files = await operations.files();
  assertEquals(
    files.map(({ id, client, direction, name, path, bytes, state, as, reason }) => [
      [id, client, direction, name, path],
      [bytes, state, as, reason],
    ]),
    ["till-3", "till-4"].map((client, at) => [
      [ids[at] ?? "", client, "out", "setup.msi", path],
      [5, "queued", null, null],
    ]),
  );
  const log = await operations.log({ who: "till-3", kinds: ["file"] });
  assertEquals(log.map(({ kind, state, direction }) => [kind, state, direction]), [
    ["file", "queued", "out"],
  ]);
  assertEquals(server.tables.outgoingContents().length, 1);
});

Deno.test("push() of several files answers one id per file and client, file by file", async () => {
  await using place = await begin();
  const { operations, path } = place;
  const second = join(place.server.directory, "b.txt");
  await Deno.writeTextFile(second, "");
  const { ids } = await operations.push("all", { paths: [path, second] });
  const states = await operations.pushStates(ids);
  assertEquals(states.map(({ client, name, state }) => [client, name, state]), [
    ["till-3", "setup.msi", "queued"],
    ["till-4", "setup.msi", "queued"],
    ["till-3", "b.txt", "queued"],
    ["till-4", "b.txt", "queued"],
  ]);
  assertEquals(states.map(({ id }) => id), ids);
});

Deno.test("push() is refused in words when nobody is meant", async () => {
  await using place = await begin();
  const { operations, path } = place;
  for (const who of ["till-9", "@none"]) {
    await refused(place, operations.push(who, { paths: [path] }), "not_found");
  }
});

Deno.test("push() is refused in words when one of the files is not to be had, for all of them", async () => {
  await using place = await begin();
  const { operations, path, server } = place;
  const cases = [
    [join(server.directory, "absent"), "unreadable", "does not exist"],
    [server.directory, "bad_request", "is a directory"],
    ["relative.txt", "bad_request", "must be absolute"],
    [join(server.directory, "CON"), "bad_request", "device name"],
  ] as const;
  for (const [bad, code, words] of cases) {
    const message = await refused(place, operations.push("all", { paths: [path, bad] }), code);
    assertStringIncludes(message, words);
  }
  await refused(place, operations.push("all", { paths: [] }), "bad_request");
  const many = Array.from({ length: 5_001 }, () => path);
  assertStringIncludes(
    await refused(place, operations.push("all", { paths: many }), "bad_request"),
    "at most 10000",
  );
});

Deno.test("push() is refused in words when the disk has no room for the copy", async () => {
  await using place = await begin({ reserve: () => Promise.resolve("it would be full") });
  const { operations, path } = place;
  const words = await refused(place, operations.push("all", { paths: [path] }), "no_space");
  assertStringIncludes(words, "it would be full");
});

Deno.test("push() to a classic client is refused in words", async () => {
  await using place = await begin();
  const { operations, path } = place;
  place.classic("10.0.0.9");
  const words = await refused(place, operations.push("10.0.0.9", { paths: [path] }), "queue_full");
  assertStringIncludes(words, "classic");
});

Deno.test("push() to all leaves a classic client out, and says so", async () => {
  await using place = await begin();
  place.classic("10.0.0.9");
  const { ids, refused } = await place.operations.push("all", { paths: [place.path] });
  assertEquals([ids.length, refused.map(({ client }) => client)], [2, ["10.0.0.9"]]);
});

Deno.test("push() to a client whose queue is full is refused in words, and nothing is copied", async () => {
  await using place = await begin();
  const { operations, path, till3 } = place;
  place.fill(till3, 0);
  const words = await refused(place, operations.push("till-3", { paths: [path] }), "queue_full");
  assertStringIncludes(words, `${MAX_WAITING_PUSHES} files wait`);
});

Deno.test("push() queues for those with room, and names the others", async () => {
  await using place = await begin();
  const { operations, path, till3, server } = place;
  place.fill(till3, 1);
  const second = join(server.directory, "b.txt");
  await Deno.writeTextFile(second, "");
  const { ids, refused } = await operations.push("@tills", { paths: [path, second] });
  const states = await operations.pushStates(ids);
  assertEquals(states.map(({ client, name }) => [client, name]), [
    ["till-3", "setup.msi"],
    ["till-4", "setup.msi"],
    ["till-4", "b.txt"],
  ]);
  assertEquals(refused.map(({ client }) => client), ["till-3"]);
});

Deno.test("push() that cannot be recorded leaves no copy", async () => {
  await using place = await begin();
  const { operations, path, server } = place;
  server.fail("queuePushes", new StoreError("Cannot use the database", { full: true }));
  await refused(place, operations.push("all", { paths: [path] }), "no_space");
  server.fail("queuePushes", new StoreError("Cannot use the database"));
  await assertRejects(() => operations.push("all", { paths: [path] }), StoreError);
  assertEquals([await place.copies(), server.tables.files()], [0, []]);
});

Deno.test("push() that is given up while it copies queues nothing", async () => {
  const abort = new AbortController();
  const reserve = () =>
    Promise.resolve({ wrote: () => abort.abort(new Error("given up")), [Symbol.dispose]() {} });
  await using place = await begin({ reserve });
  const { operations, path, server } = place;
  await assertRejects(
    () => operations.push("all", { paths: [path, path], signal: abort.signal }),
    Error,
    "given up",
  );
  assertEquals([await place.copies(), server.tables.files()], [0, []]);
});
