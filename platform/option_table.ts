/**
 * One table per program: from it come the command line, the environment, the configuration file and the
 * manual (`help_text.ts`), so that none of them can disagree with another.
 *
 * Pure: arguments, environment and files are handed in.
 *
 * @module
 */

import { bindArguments, type BoundArguments } from "./argument_list.ts";
import { type FileSettings, readConfigFile } from "./config_file.ts";
import { nearest } from "./nearest_name.ts";
import type { ArgumentSpec, Invocation, OptionSpec, ProgramSpec } from "./option_spec.ts";
import { type OptionValue, quoted, readOptionValue } from "./option_value.ts";
import {
  type NamedOption,
  optionsOf,
  type Program,
  RESERVED_COMMANDS,
  usageLine,
} from "./program.ts";
import { UsageError } from "./usage_error.ts";

export { helpText } from "./help_text.ts";
export { defineProgram } from "./program.ts";
export type { Program } from "./program.ts";
export { UsageError } from "./usage_error.ts";

/** Where a command line's surroundings come from. */
export interface CommandLineSources {
  /** Reads one environment variable. */
  env: (name: string) => string | undefined;
  /** Reads a file as text, or throws; an error with `code` ENOENT or ENOTDIR means that there is none. */
  readTextFile: (path: string) => string;
  /**
   * Names the configuration file to read when `--config` does not, from the value of `--data` on the
   * command line or in the environment; it may be missing. @default none is read
   */
  defaultConfigFile?: (data: string | undefined) => string;
}

/**
 * Reads a command line together with its environment and file: command line over environment over file
 * over default. Anything that does not fit is a {@linkcode UsageError} that names it. `--help`, `help` and
 * `--version` win over missing arguments and read neither environment nor file.
 */
export function parseCommandLine<S extends ProgramSpec>(
  program: Program<S>,
  args: readonly string[],
  sources: CommandLineSources,
): Invocation<S> {
  const bound = bindArguments(program, args);
  const { command, words } = chooseCommand(program, bound);
  for (const name of bound.given.keys()) requireOption(program, { name, command });
  const invocation = information(program, { bound, command, words }) ?? {
    command,
    arguments: readArguments(program, { command, words: [...words, ...bound.literal] }),
    options: readOptions(program, { command, bound, sources }),
  };
  // The shape is what option_spec.ts derives from the same table; no type can follow the loops that fill it.
  return invocation as unknown as Invocation<S>;
}

/** Splits off the command's name, which is the first word that is no option. */
function chooseCommand(
  program: Program,
  bound: BoundArguments,
): { command: string; words: readonly string[] } {
  const { name, commands, defaultCommand } = program.spec;
  const [first, ...rest] = bound.words;
  if (first === undefined) return { command: defaultCommand, words: [] };
  if (Object.hasOwn(commands, first)) return { command: first, words: rest };
  if (RESERVED_COMMANDS.includes(first)) return { command: first, words: rest };
  const near = nearest(first, [...Object.keys(commands), ...RESERVED_COMMANDS]);
  throw new UsageError(`Cannot run ${quoted(first)}: ${name} has no such command`, {
    hint: near === undefined ? `See ${name} --help` : `Did you mean ${name} ${near}?`,
  });
}

/** Answers `help`, `--help`, `version` and `--version`. */
function information(
  program: Program,
  { bound, command, words }: {
    bound: BoundArguments;
    command: string;
    words: readonly string[];
  },
):
  | { command: "help"; about: string | undefined }
  | { command: "version"; json: boolean }
  | undefined {
  if (command === "help" || bound.given.has("help")) {
    const about = command === "help" ? words[0] : bound.words[0];
    if (about === undefined) return { command: "help", about };
    return { command: "help", about: chooseCommand(program, { ...bound, words: [about] }).command };
  }
  if (command === "version" || bound.given.has("version")) {
    return { command: "version", json: bound.given.get("json")?.at(-1) === "true" };
  }
  return undefined;
}

function requireOption(
  program: Program,
  { name, command }: { name: string; command: string },
): void {
  if (RESERVED_COMMANDS.includes(command)) return;
  if (optionsOf(program, command).some((option) => option.name === name)) return;
  const owners = program.options.filter((option) => option.name === name)
    .flatMap(({ spec }) => spec.commands ?? []);
  throw new UsageError(
    `Cannot use --${name} with ${command}: it belongs to ${owners.join(", ")}`,
    { hint: `See ${program.spec.name} ${command} --help` },
  );
}

function readArguments(
  program: Program,
  { command, words }: { command: string; words: readonly string[] },
): Record<string, unknown> {
  const specs = program.spec.commands[command]?.arguments ?? [];
  const hint = `Usage: ${usageLine(program, command)}`;
  const result: Record<string, unknown> = {};
  let used = 0;
  for (const spec of specs) {
    const taken = spec.repeatable === true ? words.slice(used) : words.slice(used, used + 1);
    used += taken.length;
    if (spec.required === true && taken.length === 0) {
      throw new UsageError(`Cannot run ${command}: ${spec.name} is missing`, { hint });
    }
    for (const word of taken) checkWord(spec, word, { command, hint });
    result[spec.name.toLowerCase()] = spec.repeatable === true ? taken : taken[0];
  }
  const surplus = words[used];
  if (surplus !== undefined) {
    throw new UsageError(`Cannot run ${command}: ${quoted(surplus)} is one word too many`, {
      hint,
    });
  }
  return result;
}

function checkWord(
  spec: ArgumentSpec,
  word: string,
  { command, hint }: { command: string; hint: string },
): void {
  if (spec.choices === undefined || spec.choices.includes(word)) return;
  const near = nearest(word, spec.choices);
  throw new UsageError(
    `Cannot run ${command} with ${quoted(word)}: ${spec.name} is one of ${spec.choices.join(", ")}`,
    { hint: near === undefined ? hint : `Did you mean ${near}?` },
  );
}

/** Fills every option of the command from the best source that has it. */
function readOptions(
  program: Program,
  { command, bound, sources }: {
    command: string;
    bound: BoundArguments;
    sources: CommandLineSources;
  },
): Record<string, unknown> {
  const fromFile = configFile(program, { bound, sources });
  const result: Record<string, unknown> = {};
  for (const option of optionsOf(program, command)) {
    if (option.key === "help" || option.key === "version") continue;
    const values = fromCommandLine(option, bound) ?? fromEnvironment(option, sources) ??
      (option.spec.commandLineOnly === true ? undefined : fromFile.get(option.name)) ??
      fromDefault(option);
    const { spec } = option;
    result[option.key] = spec.kind !== "flag" && spec.repeatable === true ? values : values.at(-1);
  }
  return result;
}

function configFile(
  program: Program,
  { bound, sources }: { bound: BoundArguments; sources: CommandLineSources },
): FileSettings {
  const early = (key: "config" | "data") => {
    const option = program.options.find((candidate) => candidate.key === key);
    if (option === undefined) return undefined;
    const values = fromCommandLine(option, bound) ?? fromEnvironment(option, sources);
    return values?.map(String).at(-1);
  };
  const named = early("config");
  if (named !== undefined) return readConfigFile(program, { path: named, required: true, sources });
  const path = sources.defaultConfigFile?.(early("data"));
  return path === undefined
    ? new Map()
    : readConfigFile(program, { path, required: false, sources });
}

function fromCommandLine(
  { name, spec }: NamedOption,
  bound: BoundArguments,
): OptionValue[] | undefined {
  const texts = bound.given.get(name);
  if (texts === undefined) return undefined;
  return splitChoices(spec, texts).map((text) => readOptionValue(spec, text, `--${name}`));
}

/** An empty variable counts as unset; a repeatable option's variable holds values parted by blanks. */
function fromEnvironment(
  { variable, spec }: NamedOption,
  sources: CommandLineSources,
): OptionValue[] | undefined {
  if (spec.commandLineOnly === true) return undefined;
  const text = sources.env(variable);
  if (text === undefined || text === "") return undefined;
  const repeatable = spec.kind !== "flag" && spec.repeatable === true;
  const texts = repeatable ? text.split(/\s+/).filter((part) => part !== "") : [text];
  return splitChoices(spec, texts).map((part) => readOptionValue(spec, part, variable));
}

function fromDefault({ name, spec }: NamedOption): (OptionValue | undefined)[] {
  if (spec.kind === "flag") return [false];
  if (spec.default === undefined) return [];
  return splitChoices(spec, [spec.default]).map((text) => readOptionValue(spec, text, `--${name}`));
}

function splitChoices(spec: OptionSpec, texts: readonly string[]): readonly string[] {
  return spec.kind === "choice" && spec.repeatable === true
    ? texts.flatMap((text) => text.split(","))
    : texts;
}
