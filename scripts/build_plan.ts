/**
 * What `deno task build` makes and the command lines that make it. Pure: nothing here runs anything.
 *
 * @module
 */

/** One of the two programs. */
export interface Program {
  /** What the user types. */
  readonly name: "hbserver" | "hbclient";
  /** The task in deno.json that runs it from source; its permissions are those of the executable. */
  readonly task: string;
  /** Its entry point, from the root. */
  readonly main: string;
  /**
   * Modules that it starts as workers, each from the module beside it that holds the other end. A bundle has
   * them beside its entry point, so their file names differ.
   */
  readonly workers: readonly string[];
}

/** Both programs. */
export const PROGRAMS: readonly Program[] = [
  {
    name: "hbserver",
    task: "server",
    main: "server/main.ts",
    workers: ["server/store_worker.ts", "server/backup_worker.ts", "platform/file_worker.ts"],
  },
  { name: "hbclient", task: "client", main: "client/main.ts", workers: [] },
];

/** The platforms, by the names that the compiler gives them, each with the end of its executables' names. */
export const TARGETS: Readonly<Record<string, string>> = {
  "x86_64-unknown-linux-gnu": "linux-x86_64",
  "aarch64-unknown-linux-gnu": "linux-aarch64",
  "x86_64-apple-darwin": "macos-x86_64",
  "aarch64-apple-darwin": "macos-aarch64",
  "x86_64-pc-windows-msvc": "windows-x86_64.exe",
  "aarch64-pc-windows-msvc": "windows-aarch64.exe",
};

/** Where everything that is built goes, from the root. */
export const OUTPUT_FOLDER = "dist";

/** What a build takes from deno.json. */
export interface BuildConfig {
  /** The version of both programs. */
  readonly version: string;
  /** The task's command by the task's name. */
  readonly tasks: Readonly<Record<string, { readonly command: string } | undefined>>;
}

/**
 * The flags between `deno run` and the entry point in the task of `program`: its permissions, how its memory is
 * managed, and what of the runtime behaves as its next version will.
 *
 * @throws {Error} where the task is absent, is no such command or would grant everything.
 */
export function permissionFlags(config: BuildConfig, program: Program): string[] {
  const { task, main } = program;
  const words = config.tasks[task]?.command.split(/\s+/) ?? [];
  const flags = words.slice(2, -1);
  const plain = flags.every((flag) =>
    flag === "--no-prompt" || /^--(allow|deny)-[a-z]+(=\S+)?$/.test(flag) ||
    /^--(unstable-[a-z-]+|v8-flags=[a-z0-9,=-]+)$/.test(flag)
  );
  if (words[0] !== "deno" || words[1] !== "run" || words.at(-1) !== main || !plain) {
    throw new Error(
      `Cannot read permissions of task "${task}" as "deno run <permissions> ${main}": ` +
        `it is "${words.join(" ")}"`,
    );
  }
  if (flags.includes("--allow-all")) {
    throw new Error(`Cannot build ${program.name}: task "${task}" grants everything`);
  }
  return flags;
}

/** Path, from the root, of the executable of `program` for `target`. */
export function executablePath(config: BuildConfig, program: Program, target: string): string {
  const name = `${program.name}-${config.version}-${TARGETS[target]}`;
  return `${OUTPUT_FOLDER}/${name}`;
}

/** Arguments of `deno` that compile `program` for `target`. */
export function compileArguments(config: BuildConfig, program: Program, target: string): string[] {
  return [
    "compile",
    "--quiet",
    ...permissionFlags(config, program),
    ...program.workers.flatMap((worker) => ["--include", worker]),
    "--target",
    target,
    "--output",
    executablePath(config, program, target),
    program.main,
  ];
}

/** Path, from the root, of the folder that holds the bundle of `program`. */
export function bundlePath(config: BuildConfig, program: Program): string {
  return `${OUTPUT_FOLDER}/${program.name}-${config.version}`;
}

/** Arguments of `deno`, one call for each module, that bundle `program`: entry point and workers side by side. */
export function bundleArguments(config: BuildConfig, program: Program): string[][] {
  return [program.main, ...program.workers].map((source) => {
    const name = (source.split("/").at(-1) ?? source).replace(/\.ts$/, ".js");
    return ["bundle", "--quiet", "--output", `${bundlePath(config, program)}/${name}`, source];
  });
}

/** A shell script, to lie beside the bundle, that starts it with the permissions of the executable. */
export function launcherScript(config: BuildConfig, program: Program): string {
  const flags = ["--no-config", "--no-lock", ...permissionFlags(config, program)];
  return `#!/bin/sh
# ${program.name} ${config.version}, to be run by the Deno on this machine.
if ! command -v deno >/dev/null; then
  echo "${program.name}: error: Cannot start: this bundle needs Deno, and there is none on the PATH" >&2
  exit 1
fi
here=$(dirname -- "$(readlink -f -- "$0")")
exec deno run ${flags.map((flag) => `'${flag}'`).join(" ")} "$here/main.js" "$@"
`;
}
