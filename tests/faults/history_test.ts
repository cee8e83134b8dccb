import { assertEquals } from "@std/assert";
import { checkFiles, checkPassage, type FilePassage, type Passage } from "./history.ts";

const TEXTS = ["a", "b", "c", "d"];

function passage(changes: Partial<Passage>): Passage {
  return {
    sender: "client",
    sent: TEXTS,
    acknowledged: new Map(),
    refused: new Set(),
    held: TEXTS,
    shown: TEXTS,
    ...changes,
  };
}

function found(changes: Partial<Passage>): string[] {
  return checkPassage(passage(changes)).map(({ kind, what }) => `${kind}: ${what}`);
}

Deno.test("checkPassage() finds nothing where all that was promised is there once and in order", () => {
  const acknowledged = new Map([["a", "queued"], ["d", "stored"]] as const);
  assertEquals(found({ acknowledged }), []);
});

Deno.test("checkPassage() lets a message of unknown outcome be there or not, and kept ones be unshown", () => {
  assertEquals(found({ held: ["a", "c"], shown: ["c"] }), []);
  assertEquals(found({ held: [], shown: [] }), []);
});

Deno.test("checkPassage() finds what was acknowledged and is missing", () => {
  const acknowledged = new Map([["a", "queued"], ["b", "stored"]] as const);
  assertEquals(found({ acknowledged, held: ["c"], shown: [] }), [
    'lost: acknowledged as queued and missing: "a" of the client',
    'lost: acknowledged as stored and missing: "b" of the client',
  ]);
});

Deno.test("checkPassage() finds what was shown and is not kept", () => {
  assertEquals(found({ held: ["a", "b", "c"] }), ['lost: shown and missing: "d" of the client']);
});

Deno.test("checkPassage() finds what is kept or shown more than once, each once", () => {
  assertEquals(found({ held: ["a", "a", "a", "b", "c", "d"] }), [
    'twice: stored more than once: "a" of the client',
  ]);
  assertEquals(found({ shown: ["a", "b", "b"] }), [
    'twice: shown more than once: "b" of the client',
  ]);
});

Deno.test("checkPassage() finds what is in another order than the sender's, on disk and on the screen", () => {
  assertEquals(found({ held: ["b", "a", "c", "d"] }), [
    'order: stored after "b": "a" of the client',
  ]);
  assertEquals(found({ shown: ["d", "b", "c"] }), [
    'order: shown after "d": "b" of the client',
    'order: shown after "d": "c" of the client',
  ]);
});

Deno.test("checkPassage() finds what nobody sent, and what was refused and is there", () => {
  assertEquals(found({ held: ["a", "x"], shown: [] }), [
    'foreign: stored and never sent: "x" of the client',
  ]);
  assertEquals(found({ refused: new Set(["b"]) }), [
    'foreign: refused and there: "b" of the client',
  ]);
});

function foundFiles(changes: Partial<FilePassage>): string[] {
  const one = { name: "one.bin", sha256: "11" };
  return checkFiles({
    sender: "client",
    sent: new Set(["11", "22"]),
    acknowledged: [one],
    held: [one],
    ...changes,
  }).map(({ kind, what }) => `${kind}: ${what}`);
}

Deno.test("checkFiles() finds nothing where each stored file is there, with others of unknown outcome", () => {
  assertEquals(foundFiles({}), []);
  assertEquals(foundFiles({ acknowledged: [] }), []);
});

Deno.test("checkFiles() finds a stored file that is missing, has other bytes, is there twice or is nobody's", () => {
  assertEquals(foundFiles({ held: [] }), [
    'lost: acknowledged as stored and missing: file "one.bin" of the client',
  ]);
  assertEquals(foundFiles({ held: [{ name: "one.bin", sha256: "22" }] }), [
    'lost: acknowledged as stored and with other bytes: file "one.bin" of the client',
  ]);
  const twice = ["one.bin", "one (2).bin"].map((name) => ({ name, sha256: "11" }));
  assertEquals(foundFiles({ held: twice }), [
    'twice: stored more than once: file "one.bin, one (2).bin" of the client',
  ]);
  const foreign = { name: "x.bin", sha256: "99" };
  assertEquals(foundFiles({ acknowledged: [], held: [foreign] }), [
    'foreign: bytes that nobody sent: file "x.bin" of the client',
  ]);
});
