import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fakeOperations } from "./fake_operator.ts";
import type { FakePeer } from "./fake_peer.ts";
import { FakeServer } from "./fake_server.ts";
import { MAX_ANNOUNCED, PUSH_RETRY_MS } from "./handle_push.ts";
import { StoreError } from "./store.ts";

const UNKNOWN = "019aa8d0-0000-7000-8000-000000000001";

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** A server that knows till-3, and a file to push. */
async function begin() {
  const server = await FakeServer.start();
  const till = await server.enrol("till-3");
  const record = server.tables.client(till.keyId);
  if (record !== undefined) server.parts.roster.admit(record);
  const operations = fakeOperations(server);
  const push = async (...names: string[]) => {
    const paths = names.map((name) => join(server.directory, name));
    for (const [index, path] of paths.entries()) await Deno.writeTextFile(path, names[index] ?? "");
    return (await operations.push("till-3", { paths })).ids;
  };
  const state = (id = "") => {
    const [push] = server.tables.pushStates([id]);
    return push && [push.state, push.reason ?? push.landed];
  };
  const stored = (peer: FakePeer, { id = "", name }: { id?: string | undefined; name: string }) =>
    peer.send({ verb: "STORED", id, as: name, bytes: name.length, sha256: sha256(name) });
  return {
    server,
    till,
    operations,
    push,
    state,
    stored,
    copies: async () => (await Array.fromAsync(Deno.readDir(server.outgoing))).length,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Asserts that nothing is announced: a heartbeat is answered first. */
async function quiet(peer: FakePeer): Promise<void> {
  peer.send({ verb: "HEARTBEAT", seq: 77, at: 1 });
  assertEquals((await peer.expect("BEAT")).seq, 77);
}

Deno.test("[HB-130] a push is announced to the connected agent, in words that can be checked", async () => {
  await using place = await begin();
  const peer = await place.server.connect(place.till);
  const [id = ""] = await place.push("a.txt");
  assertEquals(await peer.expect("PUSH"), {
    verb: "PUSH",
    id,
    path: ["a.txt"],
    size: 5,
    sha256: sha256("a.txt"),
  });
  await place.server.until(() => place.state(id)?.[0] === "sent");
});

Deno.test("[HB-131] what waits is announced in order when the client connects, at every connection", async () => {
  await using place = await begin();
  const ids = await place.push("a", "b", "c");
  assertEquals(ids.map((id) => place.state(id)?.[0]), ["queued", "queued", "queued"]);
  for (const _visit of [1, 2]) {
    const peer = await place.server.connect(place.till);
    const announced = [];
    for (const _id of ids) announced.push((await peer.expect("PUSH")).id);
    assertEquals(announced, ids);
    await peer.close();
  }
});

Deno.test("[HB-130] a data or tool connection is told of no push", async () => {
  await using place = await begin();
  await place.push("a");
  const tool = await place.server.connect(place.till, { role: "tool" });
  tool.send({ verb: "BYE", reason: "stop" });
  assertEquals(await tool.next(), null);
  const data = await place.server.connect(place.till, { role: "data" });
  data.send({ verb: "END" });
  assertEquals(await data.next(), null);
});

Deno.test("[HB-130] REJECT refuses the push for good, with code and reason, and its copy goes", async () => {
  await using place = await begin();
  const { server, till } = place;
  const peer = await server.connect(till);
  const [id = ""] = await place.push("a");
  await peer.expect("PUSH");
  peer.send({ verb: "REJECT", id, code: "denied", reason: "takes no files", retry: false });
  await server.until(async () => await place.copies() === 0);
  assertEquals(place.state(id), ["refused", "denied: takes no files"]);
  assertEquals(server.pushes, [
    { to: "till-3", name: "a", state: "refused", reason: "denied: takes no files" },
  ]);
  await peer.close();
  await quiet(await server.connect(till));
});

Deno.test("[HB-130] REJECT with retry leaves it waiting: announced again after a while", async () => {
  await using place = await begin();
  const { server, till } = place;
  const peer = await server.connect(till);
  const [id = "", next] = await place.push("a", "b");
  await peer.expect("PUSH");
  assertEquals((await peer.expect("PUSH")).id, next);
  const reject = { verb: "REJECT" as const, id, code: "no_space" as const, reason: "full" };
  peer.send({ ...reject, retry: true });
  await server.until(() => place.state(id)?.[0] === "queued");
  assertEquals(place.state(id), ["queued", "no_space: full"]);
  await server.clock.advance(PUSH_RETRY_MS - 1);
  await quiet(peer);
  await server.clock.advance(1);
  assertEquals((await peer.expect("PUSH")).id, id);
  peer.send({ ...reject, retry: true });
  await server.until(() => place.state(id)?.[0] === "queued");
  // The same reason again is not another line.
  assertEquals(server.tables.events({ kinds: ["file"] }).length, 3);
  place.stored(peer, { id, name: "a" });
  await server.until(() => place.state(id)?.[0] === "stored");
});

Deno.test("[HB-130] REJECT with retry: announced again at the next connection, without waiting", async () => {
  await using place = await begin();
  const { server, till } = place;
  const peer = await server.connect(till);
  const [id = ""] = await place.push("a");
  await peer.expect("PUSH");
  peer.send({ verb: "REJECT", id, code: "busy", reason: "not now", retry: true });
  await server.until(() => place.state(id)?.[0] === "queued");
  await peer.close();
  const again = await server.connect(till);
  assertEquals((await again.expect("PUSH")).id, id);
});

Deno.test("[HB-130] STORED on the agent's connection ends the push: the client has had it before", async () => {
  await using place = await begin();
  const { server, till } = place;
  const peer = await server.connect(till);
  const [id = ""] = await place.push("a");
  await peer.expect("PUSH");
  place.stored(peer, { id, name: "a" });
  await server.until(() => place.state(id)?.[0] === "stored");
  assertEquals(place.state(id), ["stored", "a"]);
  await server.until(async () => await place.copies() === 0);
});

Deno.test("REJECT and STORED of an id that nobody knows change nothing", async () => {
  await using place = await begin();
  const { server, till } = place;
  const peer = await server.connect(till);
  const [id] = await place.push("a");
  await peer.expect("PUSH");
  peer.send({ verb: "REJECT", id: UNKNOWN, code: "denied", reason: "no", retry: false });
  peer.send({ verb: "REJECT", id: UNKNOWN, code: "busy", reason: "no", retry: true });
  place.stored(peer, { id: UNKNOWN, name: "a" });
  await quiet(peer);
  assertEquals([place.state(id), server.pushes], [["sent", undefined], []]);
  assertEquals(server.tables.events({ kinds: ["file"] }).length, 1);
});

Deno.test("one client cannot answer for another", async () => {
  await using place = await begin();
  const { server } = place;
  const [id = ""] = await place.push("a");
  const other = await server.connect(await server.enrol("till-4"));
  place.stored(other, { id, name: "a" });
  other.send({ verb: "REJECT", id, code: "denied", reason: "no", retry: false });
  await quiet(other);
  assertEquals(place.state(id), ["queued", undefined]);
});

Deno.test("a tool connection has no say about pushes", async () => {
  for (const verb of ["STORED", "REJECT"]) {
    await using place = await begin();
    const [id = ""] = await place.push("a");
    const tool = await place.server.connect(place.till, { role: "tool" });
    const fields = { id, code: "denied", reason: "no", as: "a", bytes: 1, sha256: sha256("a") };
    await tool.sendUnchecked(verb, fields);
    assertEquals((await tool.expect("REFUSE")).code, "bad_frame");
    assertEquals(place.state(id), ["queued", undefined]);
  }
});

Deno.test("at most so many pushes are announced at a time, and the next ones as answers come", async () => {
  await using place = await begin();
  const { server, till } = place;
  const names = Array.from({ length: MAX_ANNOUNCED + 20 }, (_, at) => `file-${at}`);
  const ids = await place.push(...names);
  const peer = await server.connect(till);
  const announced = [];
  for (let count = 0; count < MAX_ANNOUNCED; count++) {
    announced.push((await peer.expect("PUSH")).id);
  }
  await quiet(peer);
  for (const [at, id] of announced.entries()) place.stored(peer, { id, name: names[at] ?? "" });
  for (let count = 0; count < 20; count++) announced.push((await peer.expect("PUSH")).id);
  assertEquals(announced, ids);
  await server.until(() => server.pushes.length === MAX_ANNOUNCED);
});

Deno.test("an end that cannot be recorded leaves the push waiting, and it is announced again", async () => {
  await using place = await begin();
  const { server, till } = place;
  const peer = await server.connect(till);
  const [id = ""] = await place.push("a");
  await peer.expect("PUSH");
  server.fail("settlePush", new StoreError("Cannot use the database", { full: true }));
  place.stored(peer, { id, name: "a" });
  await quiet(peer);
  assertEquals([place.state(id)?.[0], await place.copies()], ["sent", 1]);
  server.fail("settlePush", undefined);
  await server.clock.advance(PUSH_RETRY_MS);
  assertEquals((await peer.expect("PUSH")).id, id);
  place.stored(peer, { id, name: "a" });
  await server.until(() => place.state(id)?.[0] === "stored");
});

Deno.test("a fetch that was cut off is announced again after a while", async () => {
  await using place = await begin();
  const { server, till } = place;
  const agent = await server.connect(till);
  const [id = ""] = await place.push("a");
  await agent.expect("PUSH");
  const data = await server.connect(till, { role: "data" });
  data.send({ verb: "FETCH", id, offset: 0 });
  await data.expect("READY");
  await data.close();
  await quiet(agent);
  await server.clock.advance(PUSH_RETRY_MS);
  assertEquals((await agent.expect("PUSH")).id, id);
});

Deno.test("a client that is revoked gets nothing more, and its copies go", async () => {
  await using place = await begin();
  const { server, operations } = place;
  const ids = await place.push("a", "b");
  await operations.revoke("till-3");
  assertEquals(ids.map((id) => place.state(id)?.[0]), ["refused", "refused"]);
  assertEquals(await place.copies(), 0);
  assertEquals(server.tables.outgoingContents(), []);
});
