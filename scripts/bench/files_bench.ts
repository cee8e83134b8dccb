/**
 * `deno task bench files`: the same files by hb and by other programs, in turn, in one run. Prints a table
 * and writes `bench-files.json` and `bench-files.svg`.
 *
 * @module
 */

import { join } from "node:path";
import { ROOT } from "../../tests/program.ts";
import { writeText } from "../write_text.ts";
import { describeMachine } from "./bench_machine.ts";
import { reportSvg } from "./bench_plot.ts";
import {
  type BenchReport,
  type CaseResult,
  type HeartbeatResult,
  type Medium,
  summarize,
} from "./bench_result.ts";
import { reportText } from "./bench_table.ts";
import { checkTargets } from "./bench_target.ts";
import type { Contestant } from "./contestant.ts";
import { copyPeer } from "./copy_peer.ts";
import { findTmpfs, whyNoRoom } from "./disk_room.ts";
import { type FilesCase, filesCases, makePayload } from "./files_case.ts";
import { type FilesOptions, HEARTBEATS, parseFilesOptions, USAGE } from "./files_options.ts";
import { hbContestant } from "./hb_bench.ts";
import { measureHeartbeats, PARALLEL_UPLOADS } from "./heartbeats_bench.ts";
import { Lane } from "./lane.ts";
import { hasGnuTime, MeasuredCommand } from "./measured_command.ts";
import { problemText } from "./problem_text.ts";
import { rsyncPeer } from "./rsync_peer.ts";
import { scpPeer } from "./scp_peer.ts";
import { ncatPeer, sendfilePeer } from "./stream_peer.ts";
import { treeDigest } from "./tree_digest.ts";

/** Everybody, in the order of the table and of each round. */
const CONTESTANTS: readonly Contestant[] = [
  hbContestant("hb-tls", { plaintext: false }),
  hbContestant("hb-plain", { plaintext: true }),
  scpPeer("scp-gcm", "aes128-gcm@openssh.com"),
  scpPeer("scp"),
  rsyncPeer,
  ncatPeer,
  sendfilePeer,
  copyPeer,
];

/** Room that a case takes, as a multiple of what it sends: the source, one copy, and the file system's own. */
const ROOM_FACTOR = 2.1;
/** Size of each upload beside the heartbeats, in bytes. */
const UPLOAD_BYTES = { full: 1_000_000_000, quick: 100_000_000 };

/** How figures came about, with GNU time and without. */
const ACCOUNTING = {
  whole: [
    "CPU and peak memory: by GNU time, the largest process of each side; hbserver's by /proc.",
    "Growth: hbserver's above its memory before the transfer, hbclient's above its peak for one byte.",
  ],
  partly: ["CPU and memory: only hbserver's, by /proc; GNU time is not installed."],
};

/** What ends a run early; Windows knows no SIGTERM. */
const STOP_SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];

const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Runs what the command line asks for; the exit code. */
async function main(args: readonly string[]): Promise<number> {
  let options: FilesOptions;
  try {
    options = parseFilesOptions(args, CONTESTANTS.map(({ name }) => name));
  } catch (error) {
    talk(`bench: error: ${problemText(error)}`);
    return EXIT.usage;
  }
  if (options.help) {
    const list = CONTESTANTS.map(({ name, about }) => `  ${name.padEnd(9)}  ${about}\n`).join("");
    writeText(Deno.stdout, `${USAGE}\nContestants:\n${list}`);
    return EXIT.done;
  }
  const stopping = new AbortController();
  const stop = () => {
    stopping.abort(new Error("interrupted"));
    MeasuredCommand.killAll();
  };
  for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, stop);
  try {
    const tmpfs = options.directories.tmpfs ?? await findTmpfs();
    const directories = { ...options.directories, ...(tmpfs === undefined ? {} : { tmpfs }) };
    const report = await measure({ ...options, directories }, stopping.signal);
    writeText(Deno.stdout, reportText(report));
    await writeReport(report, options.out);
    const isWhole = report.cases.every(({ entries }) =>
      entries.every(({ problem }) =>
        !problem?.startsWith("failed")
      )
    ) && !("problem" in (report.heartbeats ?? {}));
    return isWhole ? EXIT.done : EXIT.failed;
  } catch (error) {
    talk(`bench: error: ${problemText(error)}`);
    return stopping.signal.aborted ? EXIT.interrupted : EXIT.failed;
  } finally {
    for (const signal of STOP_SIGNALS) Deno.removeSignalListener(signal, stop);
  }
}

async function measure(options: FilesOptions, stopping: AbortSignal): Promise<BenchReport> {
  const { quick, rounds } = options;
  const machine = await describeMachine();
  const cases: CaseResult[] = [];
  for (const one of filesCases(options).filter(({ name }) => options.cases.includes(name))) {
    for (const medium of options.media) {
      cases.push(await runCase(one, { medium, options, stopping }));
    }
  }
  const contestants = CONTESTANTS.filter(({ name }) => options.contestants.includes(name))
    .map(({ name, about }) => ({ name, about }));
  const accounting = hasGnuTime() ? ACCOUNTING.whole : ACCOUNTING.partly;
  const report = { machine, quick, rounds, accounting, contestants, cases };
  if (!options.cases.includes(HEARTBEATS)) return report;
  return { ...report, heartbeats: await runHeartbeats(options, stopping) };
}

async function runCase(
  one: FilesCase,
  { medium, options, stopping }: {
    medium: Medium;
    options: FilesOptions;
    stopping: AbortSignal;
  },
): Promise<CaseResult> {
  const { name, title, files } = one;
  const bytes = files * one.fileBytes;
  const parent = options.directories[medium];
  const leftOut = await whyNoRoom(parent, { medium, bytes: bytes * ROOM_FACTOR });
  const result = { name, title, medium, files, bytes };
  if (leftOut !== undefined) return { ...result, leftOut, entries: [] };
  await using place = await temporaryFolder(parent);
  await using notes = await temporaryFolder();
  const payload = await makePayload(one, place.path);
  const race = {
    ...{ payload, digest: treeDigest(payload.path) },
    ...{ directory: place.path, scratch: notes.path, root: ROOT },
  };
  await using resources = new AsyncDisposableStack();
  const lanes: Lane[] = [];
  for (const contestant of CONTESTANTS) {
    if (!options.contestants.includes(contestant.name)) continue;
    stopping.throwIfAborted();
    lanes.push(resources.use(await Lane.open(contestant, race)));
  }
  for (let round = 1; round <= options.rounds; round++) {
    for (const lane of lanes) {
      const outcome = await lane.run();
      stopping.throwIfAborted();
      if (outcome !== undefined) talk(`${title}, ${medium}, round ${round}: ${outcome}`);
    }
  }
  return { ...result, entries: lanes.map(({ entry }) => entry) };
}

async function runHeartbeats(
  { quick, directories }: FilesOptions,
  stopping: AbortSignal,
): Promise<HeartbeatResult | { problem: string }> {
  const fileBytes = quick ? UPLOAD_BYTES.quick : UPLOAD_BYTES.full;
  const bytes = fileBytes * (PARALLEL_UPLOADS + 1);
  const problem = await whyNoRoom(directories.tmpfs, { medium: "tmpfs", bytes });
  if (problem !== undefined) return { problem: `left out: ${problem}` };
  const title = `heartbeats beside ${PARALLEL_UPLOADS} uploads of ${fileBytes / 1e6} MB`;
  talk(title);
  await using place = await temporaryFolder(directories.tmpfs);
  await using notes = await temporaryFolder();
  const arena = { directory: place.path, scratch: notes.path };
  try {
    const file: FilesCase = { name: "one", title, files: 1, fileBytes };
    return await measureHeartbeats(arena, {
      payload: await makePayload(file, place.path),
      title,
    });
  } catch (error) {
    stopping.throwIfAborted();
    return { problem: `failed: ${problemText(error, [place.path, notes.path, ROOT])}` };
  }
}

/** A folder that goes away; in the system's folder for such unless `dir` says where. */
async function temporaryFolder(dir?: string): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "hb-bench-", ...(dir && { dir }) });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function writeReport(report: BenchReport, directory: string): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  const base = join(await Deno.realPath(directory), "bench-files");
  const cases = report.cases.map((one) => ({
    ...one,
    entries: one.entries.map((entry) => ({ ...entry, median: summarize(entry) })),
  }));
  const json = { ...report, cases, targets: checkTargets(report) };
  await Deno.writeTextFile(`${base}.json`, `${JSON.stringify(json, null, 2)}\n`);
  await Deno.writeTextFile(`${base}.svg`, reportSvg(report));
  // As the project's formatter wants it, for whoever commits the files; it leaves alone what is ignored.
  const args = ["fmt", "--quiet", `${base}.json`, `${base}.svg`];
  await new Deno.Command(Deno.execPath(), { args, cwd: ROOT, stderr: "null" }).output();
  talk(`bench: wrote ${join(directory, "bench-files.json")} and bench-files.svg`);
}

function talk(line: string): void {
  writeText(Deno.stderr, `${line}\n`);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
