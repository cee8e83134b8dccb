/**
 * Checks which file may import which, that no imports form a cycle, that every import can be reached
 * offline, and the house rules of `house_rules.ts`.
 *
 * Run by itself, in the root of the project: `deno run --allow-read scripts/check_layers.ts`.
 *
 * @module
 */

import { dirname, join, normalize } from "node:path/posix";
import { checkHouseRules } from "./house_rules.ts";
import { importCycles } from "./import_cycles.ts";
import { moduleReferences } from "./module_references.ts";
import { isTestPath, listFiles, readSourceTree, type SourceFile } from "./source_tree.ts";
import { runCheck, sortViolations, type Violation } from "./violation.ts";

/** For each layer, the layers that its files may import; a layer that is not named may import anything. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  "protocol": ["protocol"],
  "platform": ["protocol", "platform"],
  "server": ["protocol", "platform", "server"],
  "client": ["protocol", "platform", "client"],
  "mod.ts": ["protocol", "platform", "server", "client"],
};

/** The only module of `protocol/` that code outside of it may import; tests may import any. */
const PROTOCOL_DOOR = "protocol/mod.ts";

/** The runtime's modules that `protocol/` may import: bytes and digests, nothing of the machine. */
const PROTOCOL_BUILTINS = ["node:buffer", "node:crypto"];

/** One import between files or to a third party. */
interface Import {
  readonly from: SourceFile;
  readonly line: number;
  /** What is imported, as written. */
  readonly specifier: string;
  /** The imported file's path from the root, if the specifier is relative. */
  readonly path?: string;
}

/** All breaches of the arrows, the cycles and the house rules in the project at `root`. */
export async function checkLayers(root: string): Promise<Violation[]> {
  const files = await readSourceTree(root);
  const existing = new Set(await listFiles(root));
  const mapped = await mappedNames(root);
  const imports: Import[] = [];
  const violations: Violation[] = [];
  for (const from of files) {
    for (const { specifier, line } of moduleReferences(from)) {
      if (specifier === undefined) {
        violations.push({ file: from.path, line, rule: "cannot check a computed import" });
        continue;
      }
      const relative = /^\.{0,2}\//.test(specifier);
      const path = relative ? normalize(join(dirname(from.path), specifier)) : undefined;
      imports.push({ from, line, specifier, path });
    }
  }
  for (const item of imports) {
    const rule = item.path === undefined
      ? thirdPartyBreach(item, mapped)
      : fileBreach(item.from, item.path, existing);
    if (rule !== undefined) violations.push({ file: item.from.path, line: item.line, rule });
  }
  violations.push(...cycleBreaches(imports), ...checkHouseRules(files));
  return sortViolations(violations);
}

/** Why `from` may not import `path`, if so. */
function fileBreach(from: SourceFile, path: string, existing: Set<string>): string | undefined {
  if (!existing.has(path)) return `"${path}" does not exist`;
  const layer = layerOf(from.path);
  const target = layerOf(path);
  const allowed = ARROWS[layer];
  // A unit test keeps to its folder's arrows, but may borrow from the tests of the whole.
  if (allowed !== undefined && !allowed.includes(target) && !(from.isTest && target === "tests")) {
    return `${layer} may not import ${target} ("${path}")`;
  }
  if (from.isTest) return undefined;
  if (target === "protocol" && layer !== "protocol" && path !== PROTOCOL_DOOR) {
    return `only ${PROTOCOL_DOOR} may be imported from outside protocol ("${path}")`;
  }
  return isTestPath(path) ? `only tests may import a test or a fake ("${path}")` : undefined;
}

/** Why a name that is no path may not be imported, if so. */
function thirdPartyBreach(
  { from, specifier }: Import,
  mapped: readonly string[],
): string | undefined {
  if (specifier.startsWith("node:")) {
    const forbidden = layerOf(from.path) === "protocol" && !from.isTest &&
      !PROTOCOL_BUILTINS.includes(specifier);
    return forbidden
      ? `protocol may import only ${PROTOCOL_BUILTINS.join(", ")} of the runtime ("${specifier}")`
      : undefined;
  }
  if (specifier.includes(":")) return `import a name mapped in deno.json instead of "${specifier}"`;
  const known = mapped.some((name) =>
    name === specifier || name.endsWith("/") && specifier.startsWith(name)
  );
  return known ? undefined : `deno.json does not map "${specifier}"`;
}

/** Each cycle once, at the import that leads from its first file to its second. */
function cycleBreaches(imports: readonly Import[]): Violation[] {
  const graph = new Map<string, string[]>();
  for (const { from, path } of imports) {
    if (path === undefined) continue;
    graph.set(from.path, [...graph.get(from.path) ?? [], path]);
  }
  return importCycles(graph).map((cycle) => {
    const [first = "", second = first] = cycle;
    const link = imports.find(({ from, path }) => from.path === first && path === second);
    const rule = `imports form a cycle: ${[...cycle, first].join(" -> ")}`;
    return { file: first, line: link?.line ?? 1, rule };
  });
}

/** The top folder of a path, or the file itself where it lies in the root. */
function layerOf(path: string): string {
  return path.split("/")[0] ?? path;
}

/** The names on the left of deno.json's `imports`. */
async function mappedNames(root: string): Promise<string[]> {
  const config = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));
  return Object.keys(config.imports ?? {});
}

if (import.meta.main) await runCheck("check_layers", checkLayers);
