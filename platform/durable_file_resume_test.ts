import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { CHECKPOINT_BYTES, CHECKPOINT_MS } from "../protocol/mod.ts";
import { discardPartial, StagedFile, type StagingOptions, sweepStaging } from "./durable_file.ts";
import {
  all,
  type BeforeOperation,
  dyingAt,
  failingAt,
  systemError,
  watchedFiles,
  withoutLinks,
} from "./fake_files.ts";
import { codeOf, type ScratchPlace, scratchPlace, tree } from "./fake_place.ts";

const encoder = new TextEncoder();
const isWindows = Deno.build.os === "windows";
const TEXT = "the quick brown fox jumps over the lazy dog";

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function open(place: ScratchPlace, options: Partial<StagingOptions> = {}): Promise<StagedFile> {
  return StagedFile.open({ stagingDirectory: place.staging, id: "one", ...options });
}

async function write(staged: StagedFile, text: string): Promise<void> {
  await staged.write(encoder.encode(text));
}

/** Leaves the beginning of {@linkcode TEXT} in staging, as a connection that was cut would. */
async function leave(place: ScratchPlace, length: number): Promise<void> {
  await using staged = await open(place);
  await write(staged, TEXT.slice(0, length));
}

/** Goes on where an earlier run has left off, as a receiver would, and stores {@linkcode TEXT} as `x`. */
async function finish(
  place: ScratchPlace,
  { before = () => {}, text = TEXT, record = () => {} }: {
    before?: BeforeOperation;
    text?: string;
    record?: () => void;
  } = {},
): Promise<string> {
  await using staged = await open(place, { files: watchedFiles(before) });
  let offset = 0;
  for (const proposal of staged.proposals) {
    if (await staged.prefixSha256(proposal) !== sha256(text.slice(0, proposal))) continue;
    offset = proposal;
    break;
  }
  await staged.continueAt(offset);
  for (let at = offset; at < text.length; at += 16) await write(staged, text.slice(at, at + 16));
  const published = await staged.publish({
    root: place.root,
    segments: ["x"],
    expectedBytes: text.length,
    expectedSha256: sha256(text),
  });
  record();
  await staged.settle();
  return published.as.join("/");
}

Deno.test("StagedFile goes on where a connection was cut", async () => {
  await using place = await scratchPlace();
  await leave(place, 20);
  await using staged = await open(place);
  assertEquals([staged.proposals, staged.bytes], [[20], 20]);
  assertEquals(await staged.prefixSha256(20), sha256(TEXT.slice(0, 20)));
  assertEquals(await staged.prefixSha256(7), sha256(TEXT.slice(0, 7)));
  await staged.continueAt(20);
  await write(staged, TEXT.slice(20));
  assertEquals(await staged.sha256Hex(), sha256(TEXT));
  await staged.suspend();
  assertEquals(await finish(place), "x");
  assertEquals([tree(place.root), tree(place.staging)], [{ x: TEXT }, {}]);
});

Deno.test("StagedFile cuts what the sender does not agree with", async () => {
  for (const offset of [0, 1, 19]) {
    await using place = await scratchPlace();
    await leave(place, 20);
    await using staged = await open(place);
    await staged.continueAt(offset);
    assertEquals(staged.bytes, offset);
    await write(staged, "abc");
    assertEquals(await staged.sha256Hex(), sha256(`${TEXT.slice(0, offset)}abc`));
    assertEquals(tree(place.staging)["one"], `${TEXT.slice(0, offset)}abc`);
  }
});

Deno.test("StagedFile takes no bytes before it is settled where they go", async () => {
  await using place = await scratchPlace();
  await leave(place, 20);
  await using staged = await open(place);
  await assertRejects(() => staged.continueAt(21), RangeError);
  await assertRejects(() => staged.prefixSha256(21), RangeError);
  assertEquals(await codeOf(write(staged, "abc")), "io");
  assertEquals(await staged.suspend(), 20);
  assertEquals(tree(place.staging)["one"], TEXT.slice(0, 20));
});

Deno.test("StagedFile syncs by bytes and by time, and notes how far", async () => {
  await using place = await scratchPlace();
  let [now, syncs] = [0, 0];
  const files = watchedFiles((operation) => void (operation === "sync" && syncs++));
  await using staged = await open(place, { files, now: () => now });
  const note = () => tree(place.staging)["one.json"];
  await write(staged, "abc");
  now += CHECKPOINT_MS - 1;
  await write(staged, "def");
  assertEquals([syncs, note()], [0, undefined]);
  now += 1;
  await write(staged, "ghi");
  assertEquals([syncs, note()], [1, '{"synced":9}']);
  let chunk: Uint8Array<ArrayBuffer> = new Uint8Array(CHECKPOINT_BYTES - 1);
  chunk = await staged.write(chunk);
  assertEquals(syncs, 1);
  await write(staged, "j");
  assertEquals([syncs, note()], [2, `{"synced":${CHECKPOINT_BYTES + 9}}`]);
  await staged.discard();
  assertEquals(tree(place.staging), {});
});

Deno.test("StagedFile proposes the synced length when a power cut left zeros behind it", async () => {
  await using place = await scratchPlace();
  let now = 0;
  {
    await using staged = await open(place, { now: () => now });
    now += CHECKPOINT_MS;
    await write(staged, TEXT.slice(0, 20));
  }
  const zeros = TEXT.slice(0, 20) + "\0".repeat(10);
  await Deno.writeTextFile(join(place.staging, "one"), zeros);
  {
    await using staged = await open(place);
    assertEquals(staged.proposals, [30, 20]);
    assertEquals(await staged.prefixSha256(30), sha256(zeros));
    assertEquals(await staged.prefixSha256(20), sha256(TEXT.slice(0, 20)));
    await staged.suspend();
  }
  assertEquals(await finish(place), "x");
  assertEquals(tree(place.root), { x: TEXT });
});

Deno.test("StagedFile makes do with any note, and with none", async () => {
  const notes = ["", "{", "[]", "null", '{"synced":-1}', '{"synced":"20"}', '{"synced":1e99}'];
  const places = [
    '{"synced":5,"place":{}}',
    '{"synced":5,"place":{"directory":"/","name":"../x"}}',
  ];
  for (const note of [...notes, ...places, '{"synced":99}']) {
    await using place = await scratchPlace();
    await leave(place, 20);
    await Deno.writeTextFile(join(place.staging, "one.json"), note);
    {
      await using staged = await open(place);
      assertEquals(staged.proposals, places.includes(note) ? [20, 5] : [20], note);
    }
    assertEquals(await finish(place), "x");
    assertEquals([tree(place.root), tree(place.staging)], [{ x: TEXT }, {}]);
  }
});

Deno.test("StagedFile reads a partial once, whatever it proposes", async () => {
  await using place = await scratchPlace();
  await leave(place, 20);
  await Deno.writeTextFile(join(place.staging, "one.json"), '{"synced":8}');
  let reads = 0;
  const files = watchedFiles((operation) => void (operation === "readBytes" && reads++));
  await using staged = await open(place, { files });
  await staged.prefixSha256(20);
  await staged.prefixSha256(8);
  await staged.continueAt(8);
  assertEquals(reads, 2);
});

Deno.test("StagedFile killed before any step leaves nothing or the whole file, and finishes it later", async () => {
  for (const links of [true, false]) {
    let isDone = false;
    for (let step = 1; !isDone; step++) {
      assert(step < 60);
      await using place = await scratchPlace();
      await leave(place, 20);
      const death = dyingAt(step);
      const system = links ? () => {} : withoutLinks();
      let isStored = false;
      const record = () => void (isStored = true);
      await finish(place, { before: all(death, system), record }).catch(() => {});
      isDone = !death.isDead();
      const { x = TEXT, ...others } = tree(place.root);
      // Without hard links it is an empty file that reserves the name until the restart.
      assert(x === TEXT || (!links && x === ""), `step ${step}: ${x}`);
      assertEquals(others, {});
      // Nobody offers again what is recorded.
      const sweep = { olderThan: 0, isStored: () => Promise.resolve(isStored) };
      await sweepStaging(place.staging, sweep);
      if (!isStored) assertEquals(await finish(place, { before: system }), "x", `step ${step}`);
      assertEquals([tree(place.root), tree(place.staging)], [{ x: TEXT }, {}], `step ${step}`);
    }
  }
});

Deno.test("StagedFile killed before any step can be given up", async () => {
  for (const links of [true, false]) {
    let isDone = false;
    for (let step = 1; !isDone; step++) {
      await using place = await scratchPlace();
      const death = dyingAt(step);
      const before = links ? death : all(death, withoutLinks());
      await finish(place, { before }).catch(() => {});
      isDone = !death.isDead();
      if (step % 2 === 0) await discardPartial({ stagingDirectory: place.staging, id: "one" });
      else await sweepStaging(place.staging, { olderThan: Infinity });
      const { x = TEXT, ...others } = tree(place.root);
      assertEquals([x, others, tree(place.staging)], [TEXT, {}, {}], `step ${step}`);
    }
  }
});

Deno.test("StagedFile finds its final name again, under a number too", async () => {
  await using place = await scratchPlace();
  await Deno.mkdir(place.root);
  await Deno.writeTextFile(join(place.root, "x"), "mine");
  const options = { root: place.root, segments: ["x"], expectedBytes: TEXT.length };
  {
    await using staged = await open(place);
    await write(staged, TEXT);
    assertEquals((await staged.publish(options)).as, ["x (2)"]);
    assertEquals(await staged.suspend(), TEXT.length);
  }
  await Deno.remove(join(place.root, "x"));
  assertEquals(await finish(place), "x (2)");
  assertEquals(tree(place.root), { "x (2)": TEXT });
});

Deno.test("StagedFile never changes a file that has its final name already", async () => {
  for (const change of ["other", "longer"]) {
    await using place = await scratchPlace();
    {
      await using staged = await open(place);
      await write(staged, TEXT);
      await staged.publish({ root: place.root, segments: ["x"], expectedBytes: TEXT.length });
    }
    const text = change === "other" ? TEXT.toUpperCase() : `${TEXT}, twice`;
    if (change === "longer") assertEquals(await codeOf(finish(place, { text })), "bad_size");
    assertEquals(await finish(place, { text }), "x (2)");
    assertEquals(tree(place.root), { x: TEXT, "x (2)": text });
    assertEquals(tree(place.staging), {});
  }
});

Deno.test("StagedFile without hard links takes nobody's file for its own", async () => {
  for (const theirs of ["theirs", TEXT.toUpperCase()]) {
    await using place = await scratchPlace();
    const before = withoutLinks();
    const died = all(before, failingAt("rename", { errno: "EIO", nth: 2 }));
    await using staged = await open(place, { files: watchedFiles(died) });
    await write(staged, TEXT);
    const options = { root: place.root, segments: ["x"], expectedBytes: TEXT.length };
    assertEquals(await codeOf(staged.publish(options)), "io");
    await staged.suspend();
    await Deno.writeTextFile(join(place.root, "x"), theirs);
    assertEquals(await finish(place, { before }), "x (2)");
    assertEquals(tree(place.root), { x: theirs, "x (2)": TEXT });
  }
});

Deno.test("StagedFile keeps what is durable when the disk is full, and stays failed", async () => {
  await using place = await scratchPlace();
  let isFull = false;
  const files = watchedFiles((operation) => {
    if (isFull && (operation === "write" || operation === "writeNew")) throw systemError("ENOSPC");
  });
  const staged = await open(place, { files });
  await write(staged, TEXT.slice(0, 20));
  isFull = true;
  assertEquals(await codeOf(write(staged, "more")), "no_space");
  isFull = false;
  assertEquals(await codeOf(write(staged, "more")), "no_space");
  const options = { root: place.root, segments: ["x"], expectedBytes: 20 };
  assertEquals(await codeOf(staged.publish(options)), "no_space");
  isFull = true;
  assertEquals(await staged.suspend(), 20);
  assertEquals([tree(place.root), await finish(place)], [{}, "x"]);
});

Deno.test("StagedFile goes back to the last good sync when one fails", async () => {
  await using place = await scratchPlace();
  let now = 0;
  const files = watchedFiles(failingAt("sync", { errno: "EIO", nth: 2 }));
  {
    const staged = await open(place, { files, now: () => now });
    now += CHECKPOINT_MS;
    await write(staged, TEXT.slice(0, 10));
    await write(staged, TEXT.slice(10, 20));
    assertEquals(await staged.suspend(), 10);
  }
  assertEquals(tree(place.staging)["one"], TEXT.slice(0, 10));
  const failing = watchedFiles((operation) => {
    if (operation === "sync" || operation === "truncate") throw systemError("EIO");
  });
  const staged = await open(place, { files: failing });
  assertEquals(await staged.suspend(), 0);
  assertEquals(tree(place.staging), {});
});

Deno.test("StagedFile.suspend() waits for the write under way", async () => {
  await using place = await scratchPlace();
  const gate = Promise.withResolvers<void>();
  const files = watchedFiles((operation) => operation === "write" ? gate.promise : undefined);
  const staged = await open(place, { files });
  const writing = write(staged, TEXT.slice(0, 20));
  const suspending = staged.suspend();
  gate.resolve();
  await writing;
  assertEquals(await suspending, 20);
});

Deno.test("StagedFile makes both levels of its staging its own and follows no link there", {
  ignore: isWindows,
}, async () => {
  await using place = await scratchPlace();
  const inner = { stagingDirectory: join(place.staging, "till-3"), stagingTop: place.staging };
  await using staged = await open(place, inner);
  for (const path of [inner.stagingDirectory, place.staging]) {
    assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o700);
  }
  await staged.discard();
  await Deno.mkdir(join(place.path, "elsewhere"));
  await Deno.remove(inner.stagingDirectory);
  await Deno.symlink(join(place.path, "elsewhere"), inner.stagingDirectory);
  assertEquals(await codeOf(open(place, inner)), "denied");
  await Deno.remove(place.staging, { recursive: true });
  await Deno.symlink(join(place.path, "elsewhere"), place.staging);
  assertEquals(await codeOf(open(place, inner)), "denied");
  assertEquals(await codeOf(sweepStaging(place.staging, { olderThan: Infinity })), "denied");
  assertEquals(
    await codeOf(discardPartial({ stagingDirectory: place.staging, id: "x" })),
    "denied",
  );
  assertEquals(tree(join(place.path, "elsewhere")), {});
});

Deno.test("StagedFile refuses a link, a folder and a pipe in the place of a partial", {
  ignore: isWindows,
}, async () => {
  await using place = await scratchPlace();
  const victim = join(place.path, "victim");
  await Deno.writeTextFile(victim, "theirs");
  await Deno.mkdir(join(place.staging, "folder"), { recursive: true, mode: 0o700 });
  await Deno.symlink(victim, join(place.staging, "link"));
  await Deno.symlink(join(place.path, "nowhere"), join(place.staging, "dangling"));
  for (const id of ["folder", "link", "dangling"]) {
    assertEquals(await codeOf(open(place, { id })), "denied");
  }
  await leave(place, 20);
  const swap = all((operation) => {
    if (operation !== "reopen") return;
    Deno.removeSync(join(place.staging, "one"));
    Deno.symlinkSync(victim, join(place.staging, "one"));
  });
  assertEquals(await codeOf(open(place, { files: watchedFiles(swap) })), "denied");
  // A note that is a link is none, and is replaced, not followed.
  await Deno.remove(join(place.staging, "one"));
  await Deno.remove(join(place.staging, "one.json"));
  await Deno.symlink(victim, join(place.staging, "one.json"));
  await leave(place, 20);
  assertEquals(await Deno.readTextFile(victim), "theirs");
  assertEquals(await finish(place), "x");
  assertEquals(await Deno.readTextFile(victim), "theirs");
});

Deno.test("discardPartial() removes a partial with its note and says whether there was one", async () => {
  await using place = await scratchPlace();
  const options = { stagingDirectory: place.staging, id: "one" };
  assertEquals(await discardPartial(options), false);
  await leave(place, 20);
  assertEquals(await discardPartial(options), true);
  assertEquals([tree(place.staging), await discardPartial(options)], [{}, false]);
});

Deno.test("sweepStaging() removes what is expired, stored or nobody's, and nothing that is open", async () => {
  await using place = await scratchPlace();
  const inner = join(place.staging, "till-3");
  for (const id of ["old", "new", "stored"]) {
    await using staged = await open(place, { id, stagingDirectory: inner });
    await write(staged, id);
  }
  for (const name of ["old", "old.json"]) await Deno.utime(join(inner, name), 1_000, 1_000);
  await using staged = await open(place, { id: "open", stagingDirectory: inner });
  await Deno.utime(join(inner, "open"), 1_000, 1_000);
  await Deno.writeTextFile(join(inner, "orphan.json"), '{"synced":3}');
  await Deno.writeTextFile(join(inner, "torn.json.new"), "{");
  await Deno.writeTextFile(join(place.staging, "what is this"), "");
  const asked: string[] = [];
  const isStored = (id: string, directory: string) => {
    asked.push(`${directory}/${id}`);
    return Promise.resolve(id === "stored");
  };
  assertEquals(await sweepStaging(place.staging, { olderThan: 2_000_000, isStored }), 5);
  assertEquals(Object.keys(tree(place.staging)).sort(), [
    ...["till-3/new", "till-3/new.json", "till-3/open"],
  ]);
  assertEquals(asked.sort(), ["till-3/new", "till-3/stored"]);
  await staged.discard();
});
