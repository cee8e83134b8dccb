/** Names and sizes that no peer may choose, in both dialects, against a real server. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import names from "../protocol/testdata/file_name.json" with { type: "json" };
import { MAX_LINE_BYTES } from "../protocol/mod.ts";
import { InnocentPeer } from "./innocent_peer.ts";
import { dial, Peer } from "./peer.ts";
import { RawSocket } from "./raw_socket.ts";
import { type ClientView, RunningServer } from "./running_server.ts";
import { temporaryDirectory, walk } from "./temporary_directory.ts";

interface NameVector {
  check: string;
  input?: unknown;
  /** UTF-16 code units in hex, for what JSON cannot hold as text. */
  utf16?: string;
  expect: string;
  why: string;
}

const ID = "019aa8d0-0000-7000-8000-000000000001";
/** Longest name that a classic peer's buffer holds beside its size; longer ones are no offers. */
const CLASSIC_NAME_BYTES = 4096;
/** Greetings of one address that the server serves at once, less a few: later ones push earlier ones out. */
const AT_ONCE = 20;

const bad = (names as NameVector[]).filter(({ expect }) => expect === "bad_name");

function inputOf({ input, utf16 }: NameVector): unknown {
  if (utf16 === undefined) return input;
  return String.fromCharCode(...utf16.split(" ").map((unit) => parseInt(unit, 16)));
}

const badNames = bad.filter(({ check }) => check === "name").map((vector) =>
  String(inputOf(vector))
);
const badPaths = bad.filter(({ check }) => check === "path").map(inputOf);
const badClients = bad.filter(({ check }) => check === "client").map(inputOf);
const badIds = bad.filter(({ check }) => check === "id").map(inputOf);

/**
 * A server whose data directory lies so deep below a directory of the test's own that `../..` cannot leave
 * it, with an innocent client.
 */
async function startServer(...args: string[]) {
  await using stack = new AsyncDisposableStack();
  const { path: root } = stack.use(await temporaryDirectory());
  const data = join(root, "a", "b", "c", "d", "e", "server");
  const options = { data, args: ["--plaintext", "--open", "--interval", "1", ...args] };
  const server = stack.use(await RunningServer.start(options));
  const innocent = stack.use(await InnocentPeer.connect(server));
  const moved = stack.move();
  return { root, server, innocent, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

/** Sends an offer as a line, so that it can be as wrong as it likes. */
function offerLine(path: unknown, size: string): string {
  return `FILE {"id":"${ID}","path":${JSON.stringify(path)},"size":${size}}`;
}

/** Everything that the server answers to one HELLO. */
async function sayHello(server: RunningServer, hello: string): Promise<string> {
  using conn = await dial(server);
  await conn.write(new TextEncoder().encode(`HELLO ${hello}\n`));
  return await new Response(conn.readable).text();
}

Deno.test("every bad name of a file is REJECT bad_name, and nothing is created anywhere (faults 1, 2, 3) [HB-72]", async () => {
  await using on = await startServer();
  using peer = await Peer.connect(on.server, { role: "data", name: "till-3" });
  const before = await walk(on.root);
  const paths = [
    ...badNames.map((name) => [name]),
    ...badNames.map((name) => ["folder", name]),
    ...badPaths,
  ].filter((path) => offerLine(path, "1").length <= MAX_LINE_BYTES / 4);
  assert(paths.length > 400);
  for (const path of paths) {
    await peer.sendLine(offerLine(path, "1"));
    const { code, id } = await peer.next("REJECT", "READY", "REFUSE").then((frame) =>
      frame.verb === "REJECT" ? frame : { code: frame.verb, id: "" }
    );
    assertEquals([code, id], ["bad_name", ID], JSON.stringify(path).slice(0, 200));
  }
  assertEquals(await walk(on.root), before);
  await peer.sendLine(offerLine(["good.txt"], "0"));
  assertEquals((await peer.next("READY")).id, ID, "the connection goes on");
  await on.innocent.assertUnharmed();
});

Deno.test("every bad name of a file is REJECT|name in the classic dialect too, and nothing is created (faults 1, 2, 3) [HB-93]", async () => {
  await using on = await startServer();
  await using socket = await RawSocket.connect(on.server.port);
  await socket.send("hello");
  await on.server.untilLogged("message", ({ text }) => text === "hello");
  const before = await walk(on.root);
  const length = (name: string) => new TextEncoder().encode(name).length;
  const offers = badNames.filter((name) =>
    name.isWellFormed() && name !== "" && length(name) <= CLASSIC_NAME_BYTES
  ).filter((name) => !name.startsWith("\n")); // A line feed in front ends the token before.
  assert(offers.length > 200);
  for (const name of offers) {
    const answer = `REJECT|${name}`;
    // An end of line spares the wait for more of the token, but would end a name with one inside.
    await socket.send(`${name}|5${name.includes("\n") ? "" : "\n"}`);
    assertEquals(await socket.take(answer.length), answer, JSON.stringify(name));
  }
  assertEquals(await walk(on.root), before);
  assertEquals(await on.server.json("files"), []);
  await on.innocent.assertUnharmed();
});

Deno.test("bad names and ids of clients are refused and leave no trace (fault 6) [HB-73]", async () => {
  await using on = await startServer();
  const before = await walk(on.root);
  const refused: { name: unknown; answer: string }[] = [];
  for (let at = 0; at < badClients.length; at += AT_ONCE) {
    const some = badClients.slice(at, at + AT_ONCE);
    refused.push(
      ...await Promise.all(some.map(async (name) => {
        const hello = { hb: [1, 1], role: "agent", app: "test", epoch: 0, name };
        const answer = await sayHello(on.server, JSON.stringify(hello));
        return { name, answer };
      })),
    );
  }
  for (const { name, answer } of refused) {
    assertMatch(answer, /^REFUSE \{"code":"bad_frame"[^\n]*\n$/, JSON.stringify(name).slice(0, 99));
  }
  for (const id of badIds) {
    using peer = await Peer.connect(on.server, { role: "data", name: "till-3" });
    await peer.sendLine(`FILE ${JSON.stringify({ id, path: ["a.txt"], size: 0 })}`);
    assertEquals((await peer.next("REFUSE", "READY")).verb, "REFUSE");
  }
  assertEquals(await walk(on.root), before);
  const clients = await on.server.json<ClientView[]>("clients");
  assertEquals(clients.map(({ name }) => name).sort(), ["innocent", "till-3"]);
  await on.innocent.assertUnharmed();
});

Deno.test("only whole sizes within the limit are taken, and the connection goes on (fault 9) [HB-61]", async () => {
  await using on = await startServer("--max-file-size", "1000");
  using peer = await Peer.connect(on.server, { role: "data", name: "till-3" });
  const before = await walk(on.root);
  const sizes: [json: string, code: string][] = [
    ["-1", "bad_size"],
    ["1.5", "bad_size"],
    ['"12abc"', "bad_size"],
    ['"12"', "bad_size"],
    ["1e309", "bad_size"],
    ["9007199254740992", "bad_size"],
    ["null", "bad_size"],
    ["true", "bad_size"],
    ["[5]", "bad_size"],
    ["9007199254740991", "too_large"],
    ["1001", "too_large"],
  ];
  for (const [size, code] of sizes) {
    await peer.sendLine(offerLine(["a.txt"], size));
    const answer = await peer.next("REJECT", "READY", "REFUSE");
    assertEquals([answer.verb, "code" in answer && answer.code], ["REJECT", code], size);
  }
  await peer.sendLine(`FILE {"id":"${ID}","path":["a.txt"]}`);
  assertEquals((await peer.next("REFUSE")).code, "bad_frame", "a missing size is a bad field");
  assertEquals(await walk(on.root), before);
  await peer.sendLine(offerLine(["a.txt"], "1000"));
  await peer.next("READY");
  await on.innocent.assertUnharmed();
});

Deno.test("only whole sizes within the limit are taken in the classic dialect too (fault 9) [HB-94]", async () => {
  await using on = await startServer("--max-file-size", "1000");
  await using socket = await RawSocket.connect(on.server.port);
  await socket.send("hello");
  await on.server.untilLogged("message", ({ text }) => text === "hello");
  const before = await walk(on.root);
  const sizes = [
    "-1",
    "+5",
    "1.5",
    "0.0",
    "1e309",
    "1e3",
    "9007199254740992",
    "99999999999999999999",
  ];
  for (const size of [...sizes, "9007199254740991", "1001"]) {
    const answer = "REJECT|a.txt";
    await socket.send(`a.txt|${size}\n`);
    assertEquals(await socket.take(answer.length), answer, size);
  }
  assertEquals(await walk(on.root), before);
  await socket.send("a.txt|1000");
  assertEquals(await socket.take(11), "READY|a.txt");
  await on.innocent.assertUnharmed();
});
