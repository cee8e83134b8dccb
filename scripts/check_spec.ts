/**
 * Checks that protocol/SPEC.md is well numbered and covered: every clause by a vector or by a test that names
 * it (`[HB-12]` in the test's name), every MUST by a good and a bad vector or by a test that names it, and no
 * vector, test, comment or document names a clause or a limit that is not there.
 *
 * Run by itself, in the root of the project: `deno run --allow-read scripts/check_spec.ts`.
 *
 * @module
 */

import { join } from "node:path";
import { listFiles, readSourceTree, type SourceFile } from "./source_tree.ts";
import { type Clause, clauseMentions, clauseNumber, readClauses } from "./spec_clauses.ts";
import { readVectors, type Vector } from "./spec_vectors.ts";
import { testNames } from "./test_names.ts";
import { runCheck, sortViolations, type Violation } from "./violation.ts";

const SPEC = "protocol/SPEC.md";
const LIMITS = "protocol/limits.ts";

/** The checks' own tests name clauses that are made up. */
const UNREAD_FOLDER = "scripts/";

/** What covers a clause. */
interface Coverage {
  readonly clause: Clause;
  /** Vectors that show what is accepted. */
  readonly good: number;
  /** Vectors that show what is refused. */
  readonly bad: number;
  /** Tests that name it. */
  readonly tests: number;
}

/** All breaches in the project at `root`. */
export async function checkSpec(root: string): Promise<Violation[]> {
  const files = (await readSourceTree(root)).filter((file) => !file.path.startsWith(UNREAD_FOLDER));
  const { clauses, coverage, vectorTree } = await readCoverage(root, files);
  if (clauses.length === 0) return [{ file: SPEC, line: 1, rule: "has no clause to check" }];
  const known = new Set(clauses.map((clause) => clause.id));
  return sortViolations([
    ...numberingBreaches(clauses),
    ...coverage.flatMap(coverageBreach),
    ...vectorTree.violations,
    ...unreadVectorFiles(vectorTree.files, files),
    ...await unknownMentions(root, files, known),
    ...await unknownLimits(root, files),
  ]);
}

/** What covers each clause, one line each: `HB-12  good 1  bad 3  tests 0`. */
export async function coverageList(root: string): Promise<string[]> {
  const { coverage } = await readCoverage(root, await readSourceTree(root));
  return coverage.map(({ clause, good, bad, tests }) =>
    `${clause.id.padEnd(7)} good ${good}  bad ${bad}  tests ${tests}${must(clause) ? "  MUST" : ""}`
  );
}

async function readCoverage(root: string, files: readonly SourceFile[]) {
  const clauses = readClauses(await readIfThere(join(root, SPEC)));
  const vectorTree = await readVectors(root);
  const named = files.filter((file) => file.path.endsWith("_test.ts"))
    .filter((file) => !file.path.startsWith(UNREAD_FOLDER)).flatMap(testNames)
    .flatMap((name) => [...name.matchAll(/\[(HB-\d+(?:,\s*HB-\d+)*)\]/g)])
    .flatMap(([, ids = ""]) => ids.split(/,\s*/));
  const count = (clause: Clause, vectors: readonly Vector[]) =>
    vectors.filter((vector) => vector.clause === clause.id).length;
  const coverage: Coverage[] = clauses.map((clause) => ({
    clause,
    good: count(clause, vectorTree.vectors.filter((vector) => vector.good)),
    bad: count(clause, vectorTree.vectors.filter((vector) => !vector.good)),
    tests: named.filter((id) => id === clause.id).length,
  }));
  return { clauses, coverage, vectorTree };
}

function numberingBreaches(clauses: readonly Clause[]): Violation[] {
  return clauses.flatMap(({ id, line }, index) => {
    const before = clauses[index - 1]?.id;
    const repeated = clauses.slice(0, index).some((clause) => clause.id === id);
    if (repeated) return [{ file: SPEC, line, rule: `${id} stands here a second time` }];
    const ascends = before === undefined || clauseNumber(id) > clauseNumber(before);
    return ascends ? [] : [{ file: SPEC, line, rule: `${id} stands behind ${before}` }];
  });
}

function coverageBreach({ clause, good, bad, tests }: Coverage): Violation[] {
  const at = { file: SPEC, line: clause.line };
  if (tests > 0) return [];
  if (good + bad === 0) {
    return [{
      ...at,
      rule: `no vector has "clause": "${clause.id}" and no test names [${clause.id}]`,
    }];
  }
  if (!must(clause) || good > 0 && bad > 0) return [];
  const missing = good === 0 ? `good vector ("expect": "ok")` : "bad vector";
  return [{
    ...at,
    rule: `${clause.id} says MUST and has no ${missing} and no test that names it`,
  }];
}

function must(clause: Clause): boolean {
  return /\bMUST\b/.test(clause.text);
}

/** Vector files that no test imports or names: their vectors cover nothing. */
function unreadVectorFiles(paths: readonly string[], files: readonly SourceFile[]): Violation[] {
  const literals = files.filter((file) => file.isTest).flatMap((file) => file.tokens)
    .filter((token) => token.kind === "string" || token.kind === "template");
  return paths.filter((path) => {
    const name = path.split("/").at(-1) ?? path;
    return !literals.some((token) => token.value.split("/").at(-1) === name);
  }).map((file) => ({ file, line: 1, rule: "no test reads this file" }));
}

/** Clause ids that are named somewhere and stand nowhere. */
async function unknownMentions(
  root: string,
  files: readonly SourceFile[],
  known: ReadonlySet<string>,
): Promise<Violation[]> {
  const texts = files.map(({ path, text }) => ({ path, text }));
  for (const path of await listFiles(root)) {
    if (!/\.(md|json)$/.test(path)) continue;
    texts.push({ path, text: await Deno.readTextFile(join(root, path)) });
  }
  return texts.flatMap(({ path, text }) =>
    clauseMentions(text).filter(({ id }) => !known.has(id))
      .map(({ id, line }) => ({ file: path, line, rule: `${id} is no clause of ${SPEC}` }))
  );
}

/** Limits that the specification names in code spans and limits.ts does not export. */
async function unknownLimits(root: string, files: readonly SourceFile[]): Promise<Violation[]> {
  const source = files.find((file) => file.path === LIMITS)?.text ?? "";
  const exported = [...source.matchAll(/^export const (\w+)/gm)].map(([, name]) => name);
  const lines = (await readIfThere(join(root, SPEC))).split("\n");
  return lines.flatMap((text, index) =>
    [...text.matchAll(/`([A-Z][A-Z\d]*(?:_[A-Z\d]+)+)`/g)].map(([, name]) => name)
      .filter((name) => !exported.includes(name))
      .map((name) => ({ file: SPEC, line: index + 1, rule: `${LIMITS} exports no ${name}` }))
  );
}

/** The text of a file, or none where it does not exist: then there is no clause, which is told. */
async function readIfThere(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

if (import.meta.main) {
  await runCheck("check_spec", checkSpec, coverageList);
}
