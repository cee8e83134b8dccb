/**
 * Builds both programs into `dist/`: `deno task build`.
 *
 * Each becomes one executable with exactly the permissions of its task in deno.json. Where the runtime that
 * goes into executables cannot be had, it becomes a bundle with a launcher instead, which needs Deno on the
 * machine, and that is said; `--strict` makes it a failure. Prints the path of each product on stdout.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  type BuildConfig,
  bundleArguments,
  bundlePath,
  compileArguments,
  executablePath,
  launcherScript,
  OUTPUT_FOLDER,
  type Program,
  PROGRAMS,
  TARGETS,
} from "./build_plan.ts";
import { type CommandResult, denoCommand } from "./deno_command.ts";
import { listFiles } from "./source_tree.ts";
import { writeText } from "./write_text.ts";

const USAGE =
  `Usage: deno task build [--program hbserver|hbclient]... [--target TARGET]... [--all] [--strict]

  --program  build this program only (default: both)
  --target   build for this platform (default: this machine):
             ${Object.keys(TARGETS).join("\n             ")}
  --all      build for all platforms
  --strict   fail where an executable cannot be made, and make no bundle

DENORT_BIN names the runtime to put into the executables, instead of the downloaded one.
`;

/** Longest time for one compilation, download of its runtime included, or one bundle, in milliseconds. */
const COMMAND_LIMIT_MS = 5 * 60_000;

/** What to build. */
export interface BuildOptions {
  /** Root of the project. */
  readonly root: string;
  /** The programs. */
  readonly programs: readonly Program[];
  /** The platforms, by the compiler's names. */
  readonly targets: readonly string[];
  /** Whether a missing runtime is a failure. */
  readonly strict: boolean;
}

/** What building works with; tests bring their own. */
export interface BuildTools {
  /** Runs `deno` with `args` in the root. */
  run(args: readonly string[]): Promise<CommandResult>;
  /** Whether the runtime that goes into executables for `target` lies on this machine. */
  hasRuntime(target: string): Promise<boolean>;
  /** Takes lines for people, each with its LF. */
  tell(text: string): void;
}

/**
 * Builds, writes `SHA256SUMS` over all of `dist/`, and resolves to the paths from the root of what can be
 * started: executables, and launchers of bundles.
 *
 * @throws {Error} where something does not build, or, if strict, a runtime is missing.
 */
export async function build(options: BuildOptions, tools: BuildTools): Promise<string[]> {
  const { root, programs, targets } = options;
  const config: BuildConfig = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));
  const sources = programs.flatMap((program) => [program.main, ...program.workers]);
  await mustRun(tools, ["check", ...sources]);
  const products: string[] = [];
  const missing: string[] = [];
  for (const target of targets) {
    const made = await compileAll(target, { config, programs, tools });
    if (made === undefined) missing.push(target);
    else products.push(...made);
  }
  if (missing.length > 0) {
    const state = `the runtime for executables on ${missing.join(", ")} could not be downloaded`;
    if (options.strict) throw new Error(`Cannot compile: ${state}`);
    tools.tell(`Cannot compile: ${state}; made bundles, which are no executables and need Deno\n`);
    for (const program of programs) products.push(await bundle(program, { root, config, tools }));
  }
  await writeSums(join(root, OUTPUT_FOLDER));
  return products;
}

interface BuildContext {
  readonly config: BuildConfig;
  readonly tools: BuildTools;
}

/** The executables for `target`, or undefined where its runtime cannot be had. */
async function compileAll(
  target: string,
  { config, programs, tools }: BuildContext & { readonly programs: readonly Program[] },
): Promise<string[] | undefined> {
  const products: string[] = [];
  for (const program of programs) {
    const { code, stderr } = await tools.run(compileArguments(config, program, target));
    // The sources have passed their check: without a runtime, it is the runtime that was missing.
    if (code !== 0 && !await tools.hasRuntime(target)) return undefined;
    if (code !== 0) {
      throw new Error(`Cannot compile ${program.name} for ${target}: ${stderr.trim()}`);
    }
    products.push(executablePath(config, program, target));
  }
  return products;
}

/** Bundles `program` afresh and resolves to the path of its launcher. */
async function bundle(
  program: Program,
  { root, config, tools }: BuildContext & { readonly root: string },
): Promise<string> {
  const folder = bundlePath(config, program);
  try {
    await Deno.remove(join(root, folder), { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await Deno.mkdir(join(root, folder), { recursive: true });
  for (const args of bundleArguments(config, program)) await mustRun(tools, args);
  const launcher = `${folder}/${program.name}`;
  await Deno.writeTextFile(join(root, launcher), launcherScript(config, program), { mode: 0o755 });
  return launcher;
}

async function mustRun(tools: BuildTools, args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await tools.run(args);
  if (code !== 0) throw new Error(`Cannot ${args[0]}: ${`${stdout}\n${stderr}`.trim()}`);
}

/** Writes `SHA256SUMS` for `sha256sum --check`, over every other file in `folder`. */
async function writeSums(folder: string): Promise<void> {
  const paths = (await listFiles(folder)).filter((path) => path !== "SHA256SUMS");
  let sums = "";
  for (const path of paths) {
    const hash = createHash("sha256");
    using file = await Deno.open(join(folder, path));
    for await (const chunk of file.readable) hash.update(chunk);
    sums += `${hash.digest("hex")}  ${path}\n`;
  }
  await Deno.writeTextFile(join(folder, "SHA256SUMS"), sums);
}

/** What the command line asks for; a text is what is wrong with it. */
export function readBuildArguments(args: readonly string[], root: string): BuildOptions | string {
  let values;
  try {
    values = parseArgs({
      args: [...args],
      options: {
        program: { type: "string", multiple: true },
        target: { type: "string", multiple: true },
        all: { type: "boolean" },
        strict: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const { program: names, target: chosen = [Deno.build.target], all, strict = false } = values;
  const targets = all ? Object.keys(TARGETS) : chosen;
  const unknown = targets.find((target) => !(target in TARGETS));
  if (unknown !== undefined) return `Cannot build for "${unknown}": there is no such target`;
  const stranger = names?.find((name) => !PROGRAMS.some((program) => program.name === name));
  if (stranger !== undefined) return `Cannot build "${stranger}": there is no such program`;
  const programs = PROGRAMS.filter(({ name }) => names === undefined || names.includes(name));
  return { root, programs, targets, strict };
}

/** The tools of this machine. */
function machineTools(root: string): BuildTools {
  const run = (args: readonly string[]) =>
    denoCommand(args, { cwd: root, limitMs: COMMAND_LIMIT_MS });
  return {
    run,
    hasRuntime: (target) => hasRuntime(run, target),
    tell: (text) => writeText(Deno.stderr, text),
  };
}

async function hasRuntime(run: BuildTools["run"], target: string): Promise<boolean> {
  if (Deno.env.get("DENORT_BIN") !== undefined) return true;
  const { stdout } = await run(["info", "--json"]);
  const { denoDir } = JSON.parse(stdout);
  const path = join(denoDir, "dl", "release", `v${Deno.version.deno}`, `denort-${target}.zip`);
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    writeText(Deno.stdout, USAGE);
    return 0;
  }
  const options = readBuildArguments(args, Deno.cwd());
  if (typeof options === "string") {
    writeText(Deno.stderr, `build: error: ${options}\n\n${USAGE}`);
    return 2;
  }
  try {
    const products = await build(options, machineTools(options.root));
    writeText(Deno.stdout, products.map((path) => `${path}\n`).join(""));
    return 0;
  } catch (error) {
    writeText(Deno.stderr, `build: error: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
