/**
 * Many files made ready to be announced: checked as the server will check them, and numbered; those that an
 * interrupted try has announced keep their numbers.
 *
 * @module
 */

import { quoted } from "../platform/option_value.ts";
import { type BadOffer, checkOffer, foldName, ManifestDraft } from "../protocol/mod.ts";
import { ClientError } from "./client_error.ts";
import type { FoundFile, LeftOut, Walked } from "./directory_walk.ts";
import { EXIT } from "./exit_code.ts";
import type { RememberedFile } from "./upload_memory.ts";

/** A file with its number in the manifest. */
export interface PlannedFile extends FoundFile {
  /** Its number. */
  n: number;
}

/** What is announced, and what is not. */
export interface ManifestPlan {
  /** The folder that holds everything; undefined for files that are placed by themselves. */
  folder: string | undefined;
  /** The files, in order. */
  files: PlannedFile[];
  /** Folders without files. */
  directories: string[][];
  /** What is not announced. */
  leftOut: LeftOut[];
}

/** Settings of {@linkcode planManifest}. */
export interface PlanOptions {
  /** The path as the person named it. */
  path: string;
  /** The name of the folder on the server. */
  folder: string | undefined;
  /** What an interrupted try has announced. */
  remembered: readonly RememberedFile[];
}

/**
 * Checks and numbers what a walk has found. Files whose names the server would refuse are left out; throws a
 * `ClientError` when the rest cannot stand in one folder.
 */
export function planManifest(
  walked: Walked,
  { path, folder, remembered }: PlanOptions,
): ManifestPlan {
  const files = numbered(walked.files, remembered);
  const plan = { folder, files, directories: walked.directories, leftOut: [...walked.leftOut] };
  const fault = faultOf(plan);
  if (fault === undefined) return plan;
  // Rarely needed, so only now: which entries are at fault.
  const kept = withoutBadNames(plan);
  const rest = faultOf(kept);
  if (rest === undefined) return kept;
  const [one, other] = collisionOf(kept) ?? [];
  const reason = one === undefined || other === undefined
    ? rest.reason
    : `${quoted(one)} and ${quoted(other)} would have one name where case does not count`;
  throw new ClientError(`Cannot send ${quoted(path)}: ${reason}`, {
    exitCode: EXIT.refused,
    code: rest.code,
    hint: one === undefined ? undefined : "Rename one of them",
  });
}

/** What is remembered of the files. */
export function rememberedFiles(files: readonly PlannedFile[]): RememberedFile[] {
  return files.map(({ n, path, size, mtime }) => ({ n, path: path.join("/"), size, mtime }));
}

function numbered(
  files: readonly FoundFile[],
  remembered: readonly RememberedFile[],
): PlannedFile[] {
  const known = new Map(remembered.map((file) => [file.path, file]));
  let next = remembered.reduce((highest, { n }) => Math.max(highest, n), -1) + 1;
  return files.map((file) => {
    const before = known.size === 0 ? undefined : known.get(file.path.join("/"));
    const isSame = before?.size === file.size && before.mtime === file.mtime;
    return { ...file, n: isSame && before !== undefined ? before.n : next++ };
  });
}

function faultOf({ folder, files, directories }: ManifestPlan): BadOffer | undefined {
  const draft = new ManifestDraft(folder);
  return draft.add(files) ?? draft.add(directories.map((path) => ({ path }))) ?? draft.refusal;
}

function withoutBadNames(plan: ManifestPlan): ManifestPlan {
  const { folder, leftOut } = plan;
  const head = folder === undefined ? [] : [folder];
  const isGood = (path: string[], { source, size }: { source: string; size: number }) => {
    const offer = checkOffer([...head, ...path], size);
    if (!("code" in offer)) return true;
    const reason = `its name is not allowed: ${offer.reason}`;
    leftOut.push({ path: source, state: "failed", code: offer.code, reason });
    return false;
  };
  return {
    folder,
    leftOut,
    files: plan.files.filter((file) => isGood(file.path, file)),
    directories: plan.directories
      .filter((path) => isGood(path, { source: path.join("/"), size: 0 })),
  };
}

/** Two paths of which one would take the other's place. */
function collisionOf({ files, directories }: ManifestPlan): [string, string] | undefined {
  const taken = new Map<string, string>();
  for (const { path } of [...files, ...directories.map((path) => ({ path }))]) {
    let folded = "";
    for (const [at, name] of path.entries()) {
      folded += `/${foldName(name)}`;
      const spelt = path.slice(0, at + 1).join("/");
      const before = taken.get(folded);
      if (before !== undefined && before !== spelt) return [before, spelt];
      taken.set(folded, spelt);
    }
  }
  return undefined;
}
