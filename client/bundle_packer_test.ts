import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import {
  MAX_BUNDLE_BYTES,
  MAX_BUNDLE_ITEMS,
  MAX_MANIFEST_NUMBER,
  parseFrame,
} from "../protocol/mod.ts";
import { bundleBuffer, bundleEnd, packBundle, type UnpackedFile } from "./bundle_packer.ts";
import type { PlannedFile } from "./manifest_plan.ts";
import type { SourceAccess } from "./source_access.ts";

const MANIFEST = "01942f5e-0000-7000-8000-000000000000";

function planned(n: number, size: number): PlannedFile {
  return { n, path: [`${n}`], source: `${n}`, size, mtime: 0 };
}

/** Files of which each byte is the last digit of the path. */
function accessTo(sizes: Record<string, number>): SourceAccess {
  return {
    facts: () => ({ kind: "file", size: 0, mtime: 0 }),
    names: () => [],
    read: (path, into) => {
      const size = sizes[path];
      if (size === undefined) throw new Deno.errors.NotFound("gone");
      into.fill(Number(path.at(-1)));
      return Math.min(size, into.length);
    },
  };
}

Deno.test("[HB-124] bundleEnd() stops at 400 files and at 1 MiB", () => {
  const many = Array.from({ length: 1_000 }, (_, n) => planned(n, 1));
  assertEquals(bundleEnd(many, 0), MAX_BUNDLE_ITEMS);
  assertEquals(bundleEnd(many, 900), 1_000);
  const half = Array.from({ length: 5 }, (_, n) => planned(n, MAX_BUNDLE_BYTES / 2));
  assertEquals([bundleEnd(half, 0), bundleEnd(half, 4)], [2, 5]);
  assertEquals(bundleEnd([planned(0, MAX_BUNDLE_BYTES), planned(1, 0), planned(2, 1)], 0), 2);
});

Deno.test("[HB-124] packBundle() makes a frame with its bytes right behind it, also of the longest bundle", async () => {
  const size = Math.floor(MAX_BUNDLE_BYTES / MAX_BUNDLE_ITEMS);
  const files = Array.from(
    { length: MAX_BUNDLE_ITEMS },
    (_, at) => planned(MAX_MANIFEST_NUMBER - at, size),
  );
  const bundle = await packBundle(files, {
    manifest: MANIFEST,
    buffer: bundleBuffer(),
    access: accessTo(Object.fromEntries(files.map(({ source }) => [source, size]))),
    onUnpacked: () => {
      throw new Error("Everything fits");
    },
  });
  if (bundle === undefined) throw new Error("There is a bundle");
  const end = bundle.bytes.indexOf(10);
  const frame = parseFrame(bundle.bytes.subarray(0, end));
  if (frame.verb !== "BUNDLE") throw new Error(frame.verb);
  assertEquals(frame.items.length, MAX_BUNDLE_ITEMS);
  assertEquals(bundle.bytes.length - end - 1, size * MAX_BUNDLE_ITEMS);
  const first = bundle.bytes.subarray(end + 1, end + 1 + size);
  const digest = createHash("sha256").update(first).digest("hex");
  assertEquals(frame.items[0], [MAX_MANIFEST_NUMBER, digest]);
});

Deno.test("packBundle() leaves out files that have grown, shrunk or gone, and is nothing without files", async () => {
  const left: UnpackedFile[] = [];
  const options = {
    manifest: MANIFEST,
    buffer: bundleBuffer(),
    access: accessTo({ "1": 3, "2": 5, "3": 4 }),
    onUnpacked: (file: UnpackedFile) => left.push(file),
  };
  const bundle = await packBundle([1, 2, 3, 4].map((n) => planned(n, 4)), options);
  assertEquals(left.map(({ file, code }) => [file.n, code]), [
    [1, "changed"],
    [2, "changed"],
    [4, "unreadable"],
  ]);
  assertEquals(bundle?.items.map(({ file }) => file.n), [3]);
  assertEquals([...bundle?.bytes.subarray(-4) ?? []], [3, 3, 3, 3]);
  assertEquals(await packBundle([planned(9, 1)], options), undefined);
});
