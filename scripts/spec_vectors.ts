/**
 * Reads the test vectors beside the specification: any object in `protocol/testdata/*.json` that names a
 * clause, at any depth.
 *
 * @module
 */

import { join } from "node:path";
import { listFiles } from "./source_tree.ts";
import type { Violation } from "./violation.ts";

/** Where the vectors lie. */
export const VECTOR_FOLDER = "protocol/testdata";

/** One vector, as far as coverage goes. */
export interface Vector {
  /** Path of its file from the root. */
  readonly file: string;
  /** The clause that it shows. */
  readonly clause: string;
  /** Whether it shows what is accepted (`"expect": "ok"`); otherwise what is refused. */
  readonly good: boolean;
}

/** What the vector files hold. */
export interface VectorTree {
  /** Paths of all vector files from the root. */
  readonly files: readonly string[];
  /** Every vector of theirs. */
  readonly vectors: readonly Vector[];
  /** What is wrong with the files themselves. */
  readonly violations: readonly Violation[];
}

/** Reads all vector files of the project at `root`. */
export async function readVectors(root: string): Promise<VectorTree> {
  const files = (await listFiles(root)).filter((path) =>
    path.startsWith(`${VECTOR_FOLDER}/`) && path.endsWith(".json")
  );
  const vectors: Vector[] = [];
  const violations: Violation[] = [];
  for (const file of files) {
    const found = readVectorFile(file, await Deno.readTextFile(join(root, file)));
    if (found.length === 0) violations.push({ file, line: 1, rule: "holds no vector" });
    for (const item of found) {
      if (typeof item === "string") violations.push({ file, line: 1, rule: item });
      else vectors.push(item);
    }
  }
  return { files, vectors, violations };
}

/** The vectors of one file; a string is a complaint. */
function readVectorFile(file: string, text: string): (Vector | string)[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return [`cannot be read as JSON: ${error instanceof Error ? error.message : error}`];
  }
  return objectsIn(json).filter((value) => "clause" in value || "expect" in value).map((value) => {
    const { clause, expect } = value;
    if (typeof clause === "string" && typeof expect === "string") {
      return { file, clause, good: expect === "ok" };
    }
    return `a vector needs "clause" and "expect" as strings: ${JSON.stringify(value).slice(0, 80)}`;
  });
}

function objectsIn(value: unknown): Record<string, unknown>[] {
  if (typeof value !== "object" || value === null) return [];
  const inside = Object.values(value).flatMap(objectsIn);
  return Array.isArray(value) ? inside : [value as Record<string, unknown>, ...inside];
}
