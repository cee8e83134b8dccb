/** A real client and a server that breaks the rules of pushed files: nothing is created but what is right. */

import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import names from "../protocol/testdata/file_name.json" with { type: "json" };
import { encodeFrame, type FrameOf } from "../protocol/mod.ts";
import { commandLine } from "./program.ts";
import { published } from "./published_watch.ts";
import { RunningProgram } from "./running_program.ts";
import { sampleBytes, sha256 } from "./sample_file.ts";
import { isEnd, ScriptedServer, type Visitor } from "./scripted_server.ts";
import { temporaryDirectory, walk } from "./temporary_directory.ts";
import { until, within } from "./until.ts";

const ID = "019aa8d0-0000-7000-8000-000000000001";
const MIB = 1024 * 1024;

/** What the server announces; `sha256` and `size` are those of `bytes` unless they lie. */
interface Push {
  id?: string;
  path?: unknown;
  size?: unknown;
  sha256?: string;
  bytes?: Uint8Array<ArrayBuffer>;
}

type Answer = FrameOf<"REJECT"> | FrameOf<"STORED">;

/** What the server does when its file is fetched; `n` counts the fetches from 1. */
type OnFetch = (visitor: Visitor, fetch: FrameOf<"FETCH">, n: number) => Promise<void>;

/** A client whose agent is connected to a server that pushes; what it has answered, on either connection. */
async function startPushing(pushes: Push[], onFetch: OnFetch, ...args: string[]) {
  await using stack = new AsyncDisposableStack();
  const { path: root } = stack.use(await temporaryDirectory());
  const data = join(root, "a", "b", "c", "d", "e", "client");
  const files = join(data, "files");
  const answers: (Answer | FrameOf<"REFUSE">)[] = [];
  let fetches = 0;
  let push = (_push: Push): Promise<void> => Promise.reject(new Error("Cannot push: no agent"));
  const server = stack.use(ScriptedServer.start(async (visitor) => {
    if (visitor.admitted.role === "agent") {
      push = (more) => visitor.connection.write(pushLine(more));
      for (const one of pushes) await push(one);
      while (true) answers.push(await visitor.next("REJECT", "STORED", "REFUSE"));
    }
    while (true) await onFetch(visitor, await visitor.next("FETCH"), ++fetches);
  }));
  const where = ["--server", server.address, "--plaintext", "--name", "till-3"];
  const command = commandLine("hbclient", ["run", "--data", data, ...where, ...args]);
  const agent = stack.use(new RunningProgram(command));
  const untilAnswers = (count: number) =>
    until(() => answers.length >= count, {
      what: () => `${count} answers, not ${JSON.stringify(answers)}\n${agent.said}`,
    });
  const moved = stack.move();
  const dispose = () => moved.disposeAsync();
  const pushMore = (more: Push) => push(more);
  return { root, files, answers, agent, untilAnswers, pushMore, [Symbol.asyncDispose]: dispose };
}

function pushLine({ id = ID, path = ["setup.exe"], bytes, ...rest }: Push): Uint8Array {
  const { size = bytes?.length ?? 1, sha256: digest = sha256(bytes ?? "") } = rest;
  return new TextEncoder().encode(
    `PUSH ${JSON.stringify({ id, path, size, sha256: digest })}\n`,
  );
}

/** Serves a fetch as it should be served, from wherever the client wants to go on; the client's last word. */
async function serve(
  { connection, next }: Visitor,
  { id, offset }: FrameOf<"FETCH">,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Answer> {
  let from = offset;
  while (from > 0) {
    connection.send({ verb: "PREFIX", id, offset: from, sha256: sha256(bytes.subarray(0, from)) });
    const { offset: answer } = await next("READY");
    if (answer === from) break;
    from = answer;
  }
  connection.send({ verb: "READY", id, offset: from });
  await connection.write(bytes.subarray(from));
  connection.send({ verb: "SUM", id, bytes: bytes.length, sha256: sha256(bytes) });
  return await next("REJECT", "STORED");
}

/** The client's verdict: it answers, or says at most why it refuses and closes, maybe before all is sent. */
async function verdict(converse: () => Promise<Answer>): Promise<Answer["verb"] | "closed"> {
  try {
    return (await converse()).verb;
  } catch (error) {
    if (!isEnd(error)) throw error;
    return "closed";
  }
}

/** Resolves once all are done; rejects with the first failure, but not before. */
async function together(works: Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(works)) {
    if (result.status === "rejected") throw result.reason;
  }
}

const unwanted: OnFetch = (_visitor, { id }) =>
  Promise.reject(new Error(`Cannot take FETCH ${id}: it should have been refused`));

Deno.test("every bad name of a pushed file is REJECT bad_name, and nothing is created anywhere (faults 1, 2, 3) [HB-130] [HB-70]", async () => {
  const bad = names.filter(({ check, expect }) => check === "name" && expect === "bad_name")
    .map(({ input, utf16 }) =>
      utf16 === undefined
        ? String(input)
        : String.fromCharCode(...utf16.split(" ").map((unit) => parseInt(unit, 16)))
    ).filter((name) => name.length < 5_000);
  assert(bad.length > 200);
  const paths: unknown[] = [
    ...bad.map((name) => [name]),
    ["folder", "setup.exe"],
    ["..", "setup.exe"],
    [],
    "setup.exe",
    null,
    7,
    [7],
  ];
  const good = sampleBytes(10);
  const goodId = ID.replace(/1$/, "2");
  const pushes: Push[] = paths.map((path) => ({ path }));
  await using on = await startPushing(
    [...pushes, { id: goodId, path: ["good.txt"], bytes: good }],
    async (visitor, fetch) => {
      assertEquals(fetch.id, goodId, "only the good one is fetched");
      await serve(visitor, fetch, good);
    },
  );
  await on.untilAnswers(paths.length);
  await until(async () => (await published(on.files)).length > 0, { what: "the good file" });
  const codes = on.answers.map((answer) => "code" in answer && answer.code);
  assertEquals(codes, paths.map(() => "bad_name"));
  assertEquals(await published(on.files), ["good.txt: 10"]);
  const outside = (await walk(on.root)).filter((path) => !path.startsWith("a/b/c/d/e/client"));
  assertEquals(outside, ["a", "a/b", "a/b/c", "a/b/c/d", "a/b/c/d/e"]);
});

Deno.test("path-like ids of pushed files are bad frames and create nothing (fault 6) [HB-8]", async () => {
  await using on = await startPushing([{ id: "../../../evil" }], unwanted);
  await on.untilAnswers(1);
  assertEquals(on.answers.map(({ verb }) => verb), ["REFUSE"]);
  assertEquals(await published(on.files), []);
  const outside = (await walk(on.root)).filter((path) => path.includes("evil"));
  assertEquals(outside, []);
});

Deno.test("pushed files that are named like the client's own state and staging lie beside each other and harm nothing (fault 7)", async () => {
  const names = [".staging", "client.json", "client.sqlite", "server"];
  const bytes = sampleBytes(1_000);
  const pushes = names.map((name, at) => ({
    id: ID.replace(/1$/, `${at}`),
    path: [name],
    bytes,
  }));
  const words: Answer[] = [];
  await using on = await startPushing(pushes, async (visitor, fetch) => {
    words.push(await serve(visitor, fetch, bytes));
  });
  await until(() => words.length === names.length, { what: () => `four words: ${on.agent.said}` });
  assertEquals(words.map((word) => "as" in word ? word.as : word.code), [
    ".staging (2)",
    ...names.slice(1),
  ]);
  for (const word of words) {
    if ("as" in word) assertEquals(await Deno.readFile(join(on.files, word.as)), bytes);
  }
  assertEquals(JSON.parse(await Deno.readTextFile(join(on.files, "..", "client.json"))).format, 1);
});

Deno.test("sizes that are none, or above the client's limit, are refused before they are fetched (fault 9) [HB-130] [HB-61]", async () => {
  const sizes: [size: unknown, code: string][] = [
    [-1, "bad_size"],
    [1.5, "bad_size"],
    ["12", "bad_size"],
    [2 ** 53, "bad_size"],
    [null, "bad_size"],
    [1001, "too_large"],
    [2 ** 53 - 1, "too_large"],
  ];
  const pushes = sizes.map(([size]) => ({ size }));
  await using on = await startPushing(pushes, unwanted, "--max-file-size", "1000");
  await on.untilAnswers(sizes.length);
  const codes = on.answers.map((answer) => "code" in answer && answer.code);
  assertEquals(codes, sizes.map(([, code]) => code));
  assertEquals(await published(on.files), []);
});

Deno.test("a client with --no-push refuses everything and fetches nothing [HB-130]", async () => {
  await using on = await startPushing([{ bytes: sampleBytes(10) }], unwanted, "--no-push");
  await on.untilAnswers(1);
  assertEquals(on.answers.map((answer) => "code" in answer && answer.code), ["denied"]);
  assertEquals(await published(on.files), []);
});

Deno.test("bytes that are not those announced are never published, whatever SUM says of them (fault 11) [HB-134]", async () => {
  const bytes = sampleBytes(3 * MIB);
  const other = sampleBytes(3 * MIB);
  const words: Answer[] = [];
  await using on = await startPushing([{ bytes }], async (visitor, fetch, n) => {
    const { id, offset } = fetch;
    assertEquals(offset, 0, "what was wrong is not kept");
    if (n > 2) return void words.push(await serve(visitor, fetch, bytes));
    const { connection, next } = visitor;
    connection.send({ verb: "READY", id, offset: 0 });
    await connection.write(other);
    // Once the digest of what was sent, once that of what was announced.
    const digest = sha256(n === 1 ? other : bytes);
    connection.send({ verb: "SUM", id, bytes: bytes.length, sha256: digest });
    words.push(await next("REJECT", "STORED"));
    assertEquals(await published(on.files), []);
  });
  await until(() => words.length === 3, { what: () => `three tries: ${on.agent.said}` });
  const codes = words.map((word) => "code" in word ? word.code : word.verb);
  assertEquals(codes, ["hash", "hash", "STORED"]);
  assertEquals(await published(on.files), [`setup.exe: ${bytes.length}`]);
  assertEquals(await Deno.readFile(join(on.files, "setup.exe")), bytes);
});

Deno.test("bytes behind the announced ones end the connection and publish nothing (fault 10) [HB-62] [HB-132]", async () => {
  const bytes = sampleBytes(100_000);
  const sum = encodeFrame("SUM", { id: ID, bytes: bytes.length, sha256: sha256(bytes) });
  const surplus: Uint8Array[] = [
    Uint8Array.of(0x58, ...sum),
    Uint8Array.of(0x0a, ...sum),
    encodeFrame("PUSH", { id: ID, path: ["more.txt"], size: 0, sha256: sha256("") }),
    encodeFrame("SUM", { id: ID, bytes: bytes.length + 1, sha256: sha256(bytes) }),
    encodeFrame("SUM", { id: ID.replace(/1$/, "9"), bytes: 100_000, sha256: sha256(bytes) }),
    encodeFrame("READY", { id: ID, offset: 0 }),
  ];
  await together(surplus.map(async (more, at) => {
    const ended = Promise.withResolvers<string>();
    await using on = await startPushing([{ bytes }], async (visitor, fetch, n) => {
      if (n > 1) return void await serve(visitor, fetch, bytes);
      const { connection, next } = visitor;
      const word = verdict(async () => {
        connection.send({ verb: "READY", id: ID, offset: 0 });
        await connection.write(bytes);
        await connection.write(more);
        return await next("STORED", "REJECT");
      });
      ended.resolve(word);
      await word;
    });
    const what = `the client's verdict on surplus ${at}`;
    assert(await within(ended.promise, { what }) !== "STORED", `surplus ${at} was taken`);
    assertEquals(await published(on.files), []);
    // What was right comes once more, and then alone.
    await until(async () => (await published(on.files)).length > 0, { what: () => on.agent.said });
    assertEquals(await published(on.files), [`setup.exe: ${bytes.length}`]);
    assertEquals(await Deno.readFile(join(on.files, "setup.exe")), bytes);
  }));
});

Deno.test("a push that is cut goes on where it was, and from an earlier place when the beginning differs (faults 10, 11) [HB-132] [HB-112]", async () => {
  const bytes = sampleBytes(5 * MIB);
  const offsets: number[] = [];
  const answers: Answer[] = [];
  await using on = await startPushing([{ bytes }], async (visitor, fetch, n) => {
    const { connection } = visitor;
    const { id, offset } = fetch;
    offsets.push(offset);
    assertEquals(await published(on.files), []);
    if (n === 1) {
      connection.send({ verb: "READY", id, offset: 0 });
      await connection.write(bytes.subarray(0, 3 * MIB));
      return connection.close();
    }
    if (n === 2) {
      // As if the file were another one now.
      connection.send({ verb: "PREFIX", id, offset, sha256: sha256("other") });
      const { offset: answer } = await visitor.next("READY");
      assert(answer < offset, "what is not ours is not agreed to");
      if (answer > 0) {
        connection.send({ verb: "PREFIX", id, offset: answer, sha256: sha256("other") });
        assertEquals((await visitor.next("READY")).offset, 0);
      }
      connection.send({ verb: "READY", id, offset: 0 });
      await connection.write(bytes.subarray(0, 2 * MIB));
      return connection.close();
    }
    answers.push(await serve(visitor, fetch, bytes));
  });
  await until(() => answers.length > 0, { what: () => `an answer: ${on.agent.said}` });
  assertEquals(answers.map(({ verb }) => verb), ["STORED"]);
  const [first, second = 0, third = 0] = offsets;
  assertEquals(first, 0);
  assert(second > 0 && second <= 3 * MIB, `went on at ${second}`);
  assert(third > 0 && third <= 2 * MIB, `went on at ${third}`);
  assertEquals(await Deno.readFile(join(on.files, "setup.exe")), bytes);
});

Deno.test("a server that begins elsewhere than agreed, or says other things than READY, publishes nothing (fault 13) [HB-68] [HB-132]", async () => {
  const bytes = sampleBytes(100_000);
  const openings: Uint8Array[] = [
    encodeFrame("READY", { id: ID, offset: 5 }),
    encodeFrame("READY", { id: ID, offset: bytes.length }),
    encodeFrame("READY", { id: ID.replace(/1$/, "9"), offset: 0 }),
    encodeFrame("SUM", { id: ID, bytes: bytes.length, sha256: sha256(bytes) }),
    encodeFrame("PREFIX", { id: ID, offset: 0, sha256: sha256("") }),
    bytes,
  ];
  await together(openings.map(async (opening, at) => {
    const ended = Promise.withResolvers<string>();
    await using on = await startPushing([{ bytes }], async ({ connection, next }, _fetch, n) => {
      if (n > 1) return;
      const word = verdict(async () => {
        await connection.write(opening);
        await connection.write(bytes);
        connection.send({ verb: "SUM", id: ID, bytes: bytes.length, sha256: sha256(bytes) });
        return await next("STORED", "REJECT");
      });
      ended.resolve(word);
      await word;
    });
    const what = `the client's verdict on opening ${at}`;
    assert(await within(ended.promise, { what }) !== "STORED", `opening ${at} was taken`);
    assertEquals(await published(on.files), []);
  }));
});

Deno.test("a push that was stored before is answered STORED and not fetched again, whatever it is called now [HB-130] [HB-113]", async () => {
  const bytes = sampleBytes(1_000);
  let fetches = 0;
  await using on = await startPushing([{ bytes }], async (visitor, fetch) => {
    fetches++;
    await serve(visitor, fetch, bytes);
  });
  await until(async () => (await published(on.files)).length > 0, { what: "the file" });
  await on.pushMore({ bytes, path: ["other.exe"] });
  await on.untilAnswers(1);
  const [answer] = on.answers;
  assertEquals(answer, {
    verb: "STORED",
    id: ID,
    as: "setup.exe",
    bytes: bytes.length,
    sha256: sha256(bytes),
  });
  assertEquals(fetches, 1);
  assertEquals(await published(on.files), ["setup.exe: 1000"]);
});

Deno.test({
  name:
    "a folder for pushed files that is, or becomes, a link leads nowhere (fault 5, needs links) [HB-134]",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const bytes = sampleBytes(3 * MIB);
    let swapped = false;
    const words: string[] = [];
    await using outside = await temporaryDirectory();
    await using on = await startPushing([{ bytes }], async (visitor, fetch) => {
      if (swapped) return void words.push(await verdict(() => serve(visitor, fetch, bytes)));
      const { connection, next } = visitor;
      connection.send({ verb: "READY", id: ID, offset: 0 });
      await connection.write(bytes.subarray(0, MIB));
      await until(async () => (await walk(on.files)).length > 1, { what: "staged bytes" });
      await Deno.rename(on.files, `${on.files}.moved`);
      await Deno.symlink(outside.path, on.files);
      swapped = true;
      const word = await verdict(async () => {
        await connection.write(bytes.subarray(MIB));
        connection.send({ verb: "SUM", id: ID, bytes: bytes.length, sha256: sha256(bytes) });
        return await next("STORED", "REJECT");
      });
      words.push(word);
    });
    await until(() => words.length > 0, { what: () => `a word: ${on.agent.said}` });
    const found = (await walk(outside.path)).filter((path) => !path.startsWith(".staging"));
    assertEquals(found, [], `nothing is published through a link (${words})`);
    assert(!words.includes("STORED"), `${words}`);
    await on.agent.line(/setup\.exe|files/);
  },
});
