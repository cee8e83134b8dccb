/** The check of a manifest over the vectors of manifest.json, and its limits. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  MAX_MANIFEST_ENTRIES,
  MAX_MANIFEST_PATH_BYTES,
  MAX_NAME_BYTES,
  MAX_PATH_BYTES,
} from "./limits.ts";
import { foldName, itemId, ManifestDraft } from "./manifest.ts";
import rows from "./testdata/manifest.json" with { type: "json" };

interface Vector {
  clause: string;
  name: string;
  folder?: unknown;
  entries: unknown[];
  expect: string;
}

const vectors: Vector[] = rows;

Deno.test("ManifestDraft judges every vector of manifest.json", async (t) => {
  for (const { clause, name, folder, entries, expect } of vectors) {
    await t.step(`${name} [${clause}]`, () => {
      const draft = new ManifestDraft(folder);
      const refusal = draft.add(entries);
      assertEquals(refusal?.code ?? "ok", expect);
      if (refusal === undefined) return;
      assertEquals(draft.refusal, refusal);
      assert(refusal.reason.length > 10 && refusal.reason.length < 400, refusal.reason);
    });
  }
});

Deno.test("ManifestDraft judges the same entry by entry and in every order of frames", () => {
  for (const { folder, entries, expect } of vectors) {
    const draft = new ManifestDraft(folder);
    for (const entry of entries.toReversed()) draft.add([entry]);
    draft.add([]);
    assertEquals(draft.refusal?.code ?? "ok", expect);
  }
});

Deno.test("ManifestDraft hands out files by number, folders, and the sum of bytes [HB-120]", () => {
  const draft = new ManifestDraft("photos");
  draft.add([{ path: ["a"], size: 5, n: 9 }, { path: ["s", "b"], size: 7, n: 2 }]);
  draft.add([{ path: ["empty"] }]);
  assertEquals(draft.refusal, undefined);
  assertEquals([...draft.files], [
    [9, { path: ["a"], size: 5 }],
    [2, { path: ["s", "b"], size: 7 }],
  ]);
  assertEquals(draft.directories, [["empty"]]);
  assertEquals(draft.bytes, 12);
});

Deno.test("a spoilt ManifestDraft stays spoilt, whatever follows [HB-121]", () => {
  const draft = new ManifestDraft();
  const first = draft.add([{ path: [".."], size: 1, n: 0 }]);
  assertEquals(draft.add([{ path: ["fine"], size: 1, n: 1 }]), first);
  assertEquals(draft.files.size, 0);
});

Deno.test("ManifestDraft takes exactly as many entries as the limit says [HB-121]", () => {
  const draft = new ManifestDraft();
  const entries = Array.from({ length: MAX_MANIFEST_ENTRIES }, (_, n) => ({
    path: [`f${n}`],
    size: 1,
    n,
  }));
  assertEquals(draft.add(entries), undefined);
  assertEquals(draft.files.size, MAX_MANIFEST_ENTRIES);
  assertEquals(draft.add([{ path: ["one"], size: 1, n: 2 ** 31 }])?.code, "too_large");
});

Deno.test("ManifestDraft takes exactly as many bytes of paths as the limit says [HB-121]", () => {
  const long = "x".repeat(MAX_NAME_BYTES);
  const path = (n: number) => [long, long, long, `${n}`.padStart(MAX_NAME_BYTES, "y")];
  const count = MAX_MANIFEST_PATH_BYTES / (MAX_PATH_BYTES - 1);
  const draft = new ManifestDraft();
  for (let n = 0; n < Math.floor(count); n++) {
    assertEquals(draft.add([{ path: path(n), size: 1, n }]), undefined);
  }
  assertEquals(draft.add([{ path: path(999_999), size: 1, n: 2 ** 31 }])?.code, "too_large");
});

Deno.test("foldName() folds case and composition, and nothing else", () => {
  assertEquals(foldName("Straße"), foldName("STRASSE"));
  assertEquals(foldName("\u00c9t\u00e9"), foldName("e\u0301T\u00c9"));
  assertEquals(foldName("ΑΣ"), foldName("ας"));
  assertNotEquals(foldName("a b"), foldName("ab"));
});

Deno.test("itemId() is the manifest's beginning and the number in hex [HB-123]", () => {
  const manifest = "0198b1a4-7c1e-7abc-9def-0123456789ab";
  assertEquals(itemId(manifest, 0), "0198b1a4-7c1e-7abc-9def-000000000000");
  assertEquals(itemId(manifest, 2 ** 32), "0198b1a4-7c1e-7abc-9def-000100000000");
});
