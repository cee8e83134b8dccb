/**
 * Checks the documents: links and file names lead somewhere, the tests know the README's commands,
 * ARCHITECTURE.md names every source file at the top of its folder, and every export says what it is.
 *
 * Run by itself, in the root of the project:
 * `deno run --allow-read --allow-run --allow-env scripts/check_docs.ts`.
 *
 * @module
 */

import { dirname, join } from "node:path/posix";
import { checkDocComments } from "./doc_comments.ts";
import { checkMentions, type ProjectPaths } from "./doc_mentions.ts";
import { checkReadmeCommands } from "./readme_commands.ts";
import { listFiles, PRODUCT_FOLDERS, readSourceTree, type SourceFile } from "./source_tree.ts";
import { runCheck, sortViolations, type Violation } from "./violation.ts";

/** The documents that must exist and whose links and file names are followed. */
const DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "protocol/SPEC.md"];

/** The modules whose documentation others read: checked for every exported name and its types. */
const DOORS = ["mod.ts", "protocol/mod.ts"];

/** What the runtime's documentation lint finds that counts; its rules on types are for other registries. */
const DOOR_LINTS = new Set(["missing-jsdoc", "missing-return-type"]);

/** All breaches in the project at `root`. */
export async function checkDocs(root: string): Promise<Violation[]> {
  const files = await readSourceTree(root);
  const project = await projectPaths(root);
  const violations: Violation[] = [];
  for (const path of DOCUMENTS) {
    const text = await project.read(path);
    if (text === undefined) violations.push({ file: path, line: 1, rule: "does not exist" });
    else violations.push(...await checkMentions(path, text, project));
  }
  const architecture = await project.read("ARCHITECTURE.md");
  if (architecture !== undefined) violations.push(...unmentionedFiles(architecture, files));
  violations.push(
    ...checkReadmeCommands(await project.read("README.md") ?? "", files),
    ...files.filter((file) => file.isProduct && !file.path.endsWith(".d.ts")).flatMap(
      checkDocComments,
    ),
  );
  for (const door of DOORS) violations.push(...await doorBreaches(root, door, project));
  return sortViolations(violations);
}

async function projectPaths(root: string): Promise<ProjectPaths> {
  const files = await listFiles(root);
  const paths = new Set(files);
  for (const file of files) {
    for (let folder = dirname(file); folder !== "."; folder = dirname(folder)) paths.add(folder);
  }
  const read = (path: string) =>
    paths.has(path) ? Deno.readTextFile(join(root, path)) : Promise.resolve(undefined);
  return { paths, read };
}

/** Source files at the top of a product folder that ARCHITECTURE.md does not name. */
function unmentionedFiles(architecture: string, files: readonly SourceFile[]): Violation[] {
  const names = new Set(architecture.match(/[\w.-]+\.ts(?![\w])/g));
  return files.filter((file) => {
    const [folder, name, ...deeper] = file.path.split("/");
    return deeper.length === 0 && PRODUCT_FOLDERS.some((known) => known === folder) &&
      file.isProduct && !file.path.endsWith(".d.ts") && !names.has(name ?? "");
  }).map(({ path }) => ({ file: "ARCHITECTURE.md", line: 1, rule: `does not mention ${path}` }));
}

/** What the runtime's documentation lint says of a module and of all that it exports. */
async function doorBreaches(
  root: string,
  door: string,
  project: ProjectPaths,
): Promise<Violation[]> {
  if (!project.paths.has(door)) return [{ file: door, line: 1, rule: "does not exist" }];
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", door],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  if (code === 0) return [];
  const text = new TextDecoder().decode(stderr);
  const found = [...text.matchAll(/^error\[([\w-]+)\]: (.*)\n\s*--> (.*):(\d+):\d+$/gm)];
  if (found.length === 0) return [{ file: door, line: 1, rule: `deno doc --lint: ${text.trim()}` }];
  const base = await Deno.realPath(root);
  return found.filter(([, kind = ""]) => DOOR_LINTS.has(kind)).map((
    [, kind, message, path = "", line],
  ) => ({
    file: path.startsWith(`${base}/`) ? path.slice(base.length + 1) : path,
    line: Number(line),
    rule: `${message} (deno doc --lint, ${kind}, seen from ${door})`,
  }));
}

if (import.meta.main) await runCheck("check_docs", checkDocs);
