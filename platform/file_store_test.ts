import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DurableFileError, StagedFile } from "./durable_file.ts";
import { systemCode } from "./durable_file_error.ts";
import { codeOf, scratchPlace, tree } from "./fake_place.ts";
import { openFileStore } from "./file_store.ts";

const encoder = new TextEncoder();
const MIB = 1024 * 1024;

function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

Deno.test("FileStore receives a file in its worker and goes on with it", async () => {
  await using place = await scratchPlace();
  await using store = await openFileStore();
  const open = () =>
    StagedFile.open({ stagingDirectory: place.staging, id: "one", files: store.files });
  const hash = createHash("sha256");
  let chunk: Uint8Array<ArrayBuffer> = new Uint8Array(MIB);
  {
    await using staged = await open();
    for (let round = 0; round < 3; round++) {
      hash.update(chunk.fill(round));
      const sent = chunk;
      chunk = await staged.write(sent);
      assertEquals([sent.length, chunk.length], [0, MIB]);
    }
    assertEquals(await staged.suspend(), 3 * MIB);
  }
  await using staged = await open();
  assertEquals(staged.proposals, [3 * MIB]);
  assertEquals(await staged.prefixSha256(3 * MIB), hash.copy().digest("hex"));
  await staged.continueAt(3 * MIB);
  hash.update(chunk.fill(7));
  await staged.write(chunk);
  const expectedSha256 = hash.digest("hex");
  assertEquals(await staged.sha256Hex(), expectedSha256);
  const published = await staged.publish({
    root: place.root,
    segments: ["big"],
    expectedBytes: 4 * MIB,
    expectedSha256,
  });
  await staged.settle();
  assertEquals(sha256(await Deno.readFile(published.path)), expectedSha256);
  assertEquals(tree(place.staging), {});
});

Deno.test("FileStore stores several files at the same time", async () => {
  await using place = await scratchPlace();
  await using store = await openFileStore();
  const texts = Array.from({ length: 20 }, (_, index) => `text ${index}`);
  await Promise.all(texts.map(async (text) => {
    await using staged = await place.open(store.files);
    for (const letter of text) await staged.write(encoder.encode(letter));
    const expectedSha256 = sha256(text);
    const options = { root: place.root, expectedBytes: text.length, expectedSha256 };
    await staged.publish({ ...options, segments: [text] });
    await staged.settle();
  }));
  assertEquals(tree(place.root), Object.fromEntries(texts.map((text) => [text, text])));
});

Deno.test("FileStore passes errors on with their codes", async () => {
  await using place = await scratchPlace();
  await using store = await openFileStore();
  const { files } = store;
  const missing = await assertRejects(() => files.create(join(place.path, "no", "such")), Error);
  assertEquals([systemCode(missing), missing instanceof DurableFileError], ["ENOENT", false]);
  assertEquals(await codeOf(files.reopen(place.path, [])), "denied");
  const file = await files.create(join(place.path, "one"));
  await file.close();
  await assertRejects(() => file.sync(), Error, "it is closed");
  assertEquals(await files.sha256(join(place.path, "one"), 0), sha256(""));
  assertEquals(await files.sha256(join(place.path, "one"), 1), undefined);
});

Deno.test("FileStore stores bundles, whose bytes move to the worker", async () => {
  await using place = await scratchPlace();
  await using store = await openFileStore();
  const data = encoder.encode("onetwo");
  const items = [
    { id: "a", segments: ["d", "a"], bytes: 3, sha256: sha256("one") },
    { id: "b", segments: ["b"], bytes: 3, sha256: sha256("other") },
  ];
  const request = { stagingDirectory: place.staging, root: place.root, items, data };
  const [stored, refused] = await store.storeBundle(request);
  assertEquals(stored, { id: "a", as: ["d", "a"] });
  assert(refused !== undefined && "code" in refused && refused.code === "hash");
  assertEquals([data.length, Object.keys(tree(place.staging))], [0, ["a"]]);
  await store.settleBundle(place.staging, ["a"]);
  assertEquals([tree(place.root), tree(place.staging)], [{ "d/a": "one" }, {}]);
});

Deno.test("FileStore.close() finishes what is under way, closes what is open and ends all calls", async () => {
  await using place = await scratchPlace();
  const store = await openFileStore();
  await store.files.create(join(place.path, "left open"));
  const digest = store.files.sha256(join(place.path, "left open"), 0);
  await Promise.all([store.close(), store.close()]);
  assertEquals(await digest, sha256(""));
  assertEquals(await codeOf(store.settleBundle(place.staging, ["a"])), "io");
  await store.close();
});

Deno.test("FileStore dies with the program at a failpoint in its worker", async () => {
  for (const name of ["after_hash", "after_fsync", "after_reservation:2", "after_rename"]) {
    await using place = await scratchPlace();
    assertEquals(await storeAndDie(place, name), 137, name);
    const published = tree(place.root);
    const count = { "after_reservation:2": 2, "after_rename": 3 }[name] ?? 0;
    const expected = { a: "one", b: "two", c: "end" };
    assertEquals(published, Object.fromEntries(Object.entries(expected).slice(0, count)), name);
    assertEquals(await storeAndDie(place, "never"), 0);
    assertEquals([tree(place.root), tree(place.staging)], [expected, {}]);
  }
});

/** Stores a bundle in another process that dies at a failpoint; its exit code. */
async function storeAndDie(
  { staging, root }: { staging: string; root: string },
  failpoint: string,
): Promise<number> {
  const items = [["a", "one"], ["b", "two"], ["c", "end"]].map(([name = "", text = ""]) => ({
    ...{ id: name, segments: [name], bytes: text.length },
    sha256: sha256(text),
  }));
  const script = `
    import { armFailpoint } from "${import.meta.resolve("./failpoint.ts")}";
    import { openFileStore } from "${import.meta.resolve("./file_store.ts")}";
    armFailpoint("${failpoint}", () => Deno.exit(137));
    const store = await openFileStore();
    const data = new TextEncoder().encode("onetwoend");
    const places = ${JSON.stringify({ stagingDirectory: staging, root, items })};
    await store.storeBundle({ ...places, data });
    await store.settleBundle(places.stagingDirectory, ["a", "b", "c"]);
    await store.close();`;
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", script],
    cwd: new URL("..", import.meta.url),
  }).output();
  return code;
}
