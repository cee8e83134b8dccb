/**
 * All checks of the project, the quick ones first: `deno task ok`. With the argument `fast` it leaves out the
 * tests and their coverage, for use while editing.
 *
 * @module
 */

import { join } from "node:path";
import { checkDocs } from "./check_docs.ts";
import { checkLayers } from "./check_layers.ts";
import { checkSpec, coverageList } from "./check_spec.ts";
import { type CommandResult, denoCommand } from "./deno_command.ts";
import { coveredPercent, type FileCoverage, readLcov } from "./line_coverage.ts";
import { checkSanitizers } from "./sanitizers.ts";
import { readSourceTree } from "./source_tree.ts";
import { runSteps, type Step, type StepResult } from "./step.ts";
import { readTestSummary } from "./test_summary.ts";
import { formatViolation, type Violation } from "./violation.ts";
import { writeText } from "./write_text.ts";

/**
 * Where the tests are, together with `protocol`: the same as in the task `test`. Those of `protocol` run apart
 * because coverage is asked of them alone, and would double the time of all others.
 */
const TEST_PATHS = ["platform", "server", "client", "tests", "scripts", "mod.ts"];

/** The modules whose examples are run as tests. */
const EXAMPLE_PATHS = ["mod.ts", "protocol/mod.ts"];

/** Least share of the lines of `protocol/` that its own tests must run, in percent. */
const MIN_PROTOCOL_COVERAGE = 95;

/** Longest time for the tests, in milliseconds. */
const TEST_LIMIT_MS = 8 * 60_000;

/** Test files that run at once, for each core: many of them wait for programs that they started. */
const TEST_FILES_PER_CORE = 2;

/** Longest time for any other command, in milliseconds. */
const COMMAND_LIMIT_MS = 3 * 60_000;

/** The steps on the project at `root`; `profile` is a folder for coverage data, not given for none. */
export function okSteps(root: string, profile?: string): Step[] {
  const quick = [
    commandStep("formatting", root, ["fmt", "--check"]),
    commandStep("lint", root, ["lint"]),
    { name: "types", run: () => checkTypes(root) },
    checkStep("layers, cycles, house rules", () => checkLayers(root)),
    checkStep("specification", () => checkSpec(root), () => coverageList(root)),
    checkStep("documents", () => checkDocs(root)),
    checkStep("sanitizers", () => checkSanitizers(root)),
  ];
  if (profile === undefined) return quick;
  const test = ["test", "--no-prompt", "--allow-all"];
  const profiled = ["--coverage-raw-data-only", `--coverage=${profile}`];
  return [
    ...quick,
    testStep("tests of protocol/", root, [...test, "--parallel", ...profiled, "protocol"]),
    { name: "coverage of protocol/", run: () => checkCoverage(root, profile) },
    testStep("examples", root, [...test, "--doc", ...EXAMPLE_PATHS]),
    testStep("tests", root, [...test, "--parallel", ...TEST_PATHS]),
  ];
}

/** A step that passes when `check` finds nothing; `detail` says more when it does. */
export function checkStep(
  name: string,
  check: () => Promise<Violation[]>,
  detail?: () => Promise<string[]>,
): Step {
  return {
    name,
    run: async () => {
      const violations = await check();
      if (violations.length === 0) return { passed: 1, failed: 0, output: "" };
      const lines = [...violations.map(formatViolation), ...await detail?.() ?? []];
      return { passed: 0, failed: 1, note: `${violations.length} found`, output: lines.join("\n") };
    },
  };
}

/** What a run of `deno test` came to; a run without a summary, without tests or with a bad exit code failed. */
export function testResult({ code, stdout, stderr }: CommandResult): StepResult {
  const summary = readTestSummary(stdout);
  const output = summary === undefined ? `${stdout}\n${stderr}` : failuresIn(stdout) + stderr;
  if (summary === undefined) return { passed: 0, failed: 1, note: "no result", output };
  const { passed, failed, ignored } = summary;
  const bad = failed === 0 && (code !== 0 || passed === 0);
  const note = `${passed} passed, ${failed} failed` + (ignored > 0 ? `, ${ignored} ignored` : "") +
    (bad ? `, exit code ${code}` : "");
  return { passed, failed: bad ? 1 : failed, note, output };
}

/** What failed, without the tests that passed before it; everything when nothing is said to have failed. */
function failuresIn(stdout: string): string {
  const at = stdout.search(/^ ERRORS $/m);
  return stdout.slice(at < 0 ? 0 : at);
}

function commandStep(name: string, root: string, args: readonly string[]): Step {
  return { name, run: async () => commandResult(await command(root, args)) };
}

function testStep(name: string, root: string, args: readonly string[]): Step {
  const limitMs = TEST_LIMIT_MS;
  const env = { DENO_JOBS: `${TEST_FILES_PER_CORE * navigator.hardwareConcurrency}` };
  return {
    name,
    run: async () => testResult(await denoCommand(args, { cwd: root, limitMs, env })),
  };
}

function command(root: string, args: readonly string[]): Promise<CommandResult> {
  return denoCommand(args, { cwd: root, limitMs: COMMAND_LIMIT_MS });
}

function commandResult({ code, stdout, stderr }: CommandResult): StepResult {
  const failed = code === 0 ? 0 : 1;
  return { passed: 1 - failed, failed, output: `${stdout}\n${stderr}` };
}

/** Names every file, so that nothing is left out because nothing imports it. */
async function checkTypes(root: string): Promise<StepResult> {
  const paths = (await readSourceTree(root)).map((file) => file.path);
  const result = commandResult(await command(root, ["check", ...paths]));
  return { ...result, note: `${paths.length} files` };
}

async function checkCoverage(root: string, profile: string): Promise<StepResult> {
  const args = ["coverage", "--lcov", "--include=/protocol/", profile];
  const { code, stdout, stderr } = await command(root, args);
  if (code !== 0) return { passed: 0, failed: 1, output: stderr };
  const files = (await readSourceTree(root))
    .filter((file) => file.isProduct && file.path.startsWith("protocol/"))
    .map((file) => ({
      path: file.path,
      runs: /^(export )?(async )?(class|const|function)\b/m.test(file.code),
    }));
  return coverageResult(root, files, readLcov(stdout));
}

/**
 * Whether enough lines ran: `files` are those that count, by path from `root`, and whether they hold code that
 * runs at all; such a file that `report` does not know was loaded by no test, which fails.
 */
export function coverageResult(
  root: string,
  files: readonly { readonly path: string; readonly runs: boolean }[],
  report: readonly FileCoverage[],
): StepResult {
  const counted = report.filter(({ path }) => files.some((file) => join(root, file.path) === path));
  const unseen = files.filter(({ path, runs }) =>
    runs && !report.some((file) => file.path === join(root, path))
  );
  const percent = coveredPercent(counted);
  const failed = percent < MIN_PROTOCOL_COVERAGE || unseen.length > 0 ? 1 : 0;
  const output = [
    ...unseen.map(({ path }) => `${path}: no test loads it`),
    ...counted.filter(({ missed }) => missed.length > 0)
      .map(({ path, missed }) =>
        `${path.slice(root.length + 1)}: lines ${missed.join(", ")} never ran`
      ),
  ].join("\n");
  const note = `${percent.toFixed(1)} % of lines, at least ${MIN_PROTOCOL_COVERAGE} %`;
  return { passed: 1 - failed, failed, note, output };
}

async function main(args: readonly string[]): Promise<number> {
  const write = (text: string) => writeText(Deno.stdout, text);
  const fast = args[0] === "fast";
  if (args.length > (fast ? 1 : 0)) {
    write(`Cannot run checks with "${args.join(" ")}": the only argument is "fast"\n`);
    return 2;
  }
  const root = await Deno.realPath(Deno.cwd());
  await Deno.mkdir(join(root, "coverage"), { recursive: true });
  const profile = await Deno.makeTempDir({ dir: join(root, "coverage"), prefix: "ok-" });
  try {
    const steps = okSteps(root, fast ? undefined : profile);
    const { failed } = await runSteps(steps, { write, now: () => performance.now() });
    return failed === 0 ? 0 : 1;
  } finally {
    await Deno.remove(profile, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
