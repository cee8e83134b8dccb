/**
 * Checks that links and file names in documents lead somewhere.
 *
 * @module
 */

import { dirname, join, normalize } from "node:path/posix";
import { type Fence, headingAnchors, type Line, linkTargets, readMarkdown } from "./markdown.ts";
import type { Violation } from "./violation.ts";

/** Folders whose files a document may only name if they exist. */
const PROJECT_FOLDERS = "protocol|platform|server|client|tests|scripts|\\.ci";

/** A source file or document: by its name alone, or by its path. */
const FILE_NAME = /(?<![\w*<>/.~$-])(?:[\w.-]+\/)*[\w.-]+\.(?:ts|md)(?![\w*<-]|\.\w)/g;
/** A path into the project with any other ending. */
const PROJECT_PATH = new RegExp(
  `(?<![\\w*<>/.~$-])(?:${PROJECT_FOLDERS})/(?:[\\w.-]+/)*[\\w.-]+\\.(?:json|html|css|js|sh)(?![\\w*<])`,
  "g",
);
/** The same as all of a code span, with or without an ending: `.ci/run`. */
const PATH_SPAN = new RegExp(`(?<=\`)(?:${PROJECT_FOLDERS})/[\\w./-]*(?=\`)`, "g");

/** Languages of blocks that hold no file names of ours. */
const OTHER_LANGUAGES = new Set("ts typescript js json mermaid python py toml ini".split(" "));

/** What the project holds. */
export interface ProjectPaths {
  /** Every file and folder, by its path from the root. */
  readonly paths: ReadonlySet<string>;
  /** The text of a file, or undefined where there is none. */
  read(path: string): Promise<string | undefined>;
}

/** Links and file names of the document at `path` that lead nowhere. */
export async function checkMentions(
  path: string,
  text: string,
  project: ProjectPaths,
): Promise<Violation[]> {
  const markdown = readMarkdown(text);
  const at = ({ line }: Line, rule: string) => ({ file: path, line, rule });
  const violations: Violation[] = [];
  for (const target of linkTargets(markdown)) {
    const rule = await linkBreach(path, target.text, project);
    if (rule !== undefined) violations.push(at(target, rule));
  }
  for (const line of [...markdown.prose, ...markdown.fences.flatMap(readable)]) {
    for (const name of namesIn(line.text)) {
      if (!exists(path, name, project.paths)) violations.push(at(line, `"${name}" does not exist`));
    }
  }
  return violations;
}

async function linkBreach(
  from: string,
  target: string,
  project: ProjectPaths,
): Promise<string | undefined> {
  if (/^[a-z][a-z\d+.-]*:/i.test(target)) return undefined;
  const [file = "", anchor] = target.split("#");
  const path = file === ""
    ? from
    : normalize(join(dirname(from), decodeURI(file))).replace(/\/$/, "");
  if (path !== "." && !project.paths.has(path)) return `link to "${target}" leads nowhere`;
  if (anchor === undefined || !path.endsWith(".md")) return undefined;
  const anchors = headingAnchors(readMarkdown(await project.read(path) ?? ""));
  return anchors.has(anchor) ? undefined : `link to "${target}": no heading gives "#${anchor}"`;
}

function readable(fence: Fence): readonly Line[] {
  return OTHER_LANGUAGES.has(fence.language) ? [] : fence.lines;
}

function namesIn(text: string): Set<string> {
  const own = text.replace(/\b[a-z]+:\/\/\S+/g, "").replace(/\]\([^)]*\)/g, "]");
  const patterns = [FILE_NAME, PROJECT_PATH, PATH_SPAN];
  return new Set(patterns.flatMap((pattern) => [...own.matchAll(pattern)].map(([name]) => name)));
}

/** Whether a name is a path from the root or from the document, or the last part of one anywhere. */
function exists(from: string, name: string, paths: ReadonlySet<string>): boolean {
  const clean = normalize(name).replace(/\/$/, "");
  if (paths.has(clean) || paths.has(join(dirname(from), clean))) return true;
  return !clean.includes("/") && [...paths].some((path) => path.endsWith(`/${clean}`));
}
