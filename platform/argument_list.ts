/**
 * Sorts the words of a command line into options, words and what follows `--`.
 *
 * `@std/cli/parse-args` guesses where a word could be an option's value or not: it would take the `true` of
 * `--json true story` for the value of a flag, lose the empty value of `--name ""`, and read `--no-color=1`
 * as `--color=1`. So every option is first bound to its value by the table and written under its key
 * (`--noColor=true`), and nothing is left to guess.
 *
 * @module
 */

// @ts-types="./parse_args.d.ts"
import { parseArgs } from "@std/cli/parse-args";
import { nearest } from "./nearest_name.ts";
import { describeValues, quoted } from "./option_value.ts";
import type { NamedOption, Program } from "./program.ts";
import { UsageError } from "./usage_error.ts";

/** The parts of a command line. */
export interface BoundArguments {
  /** The values of each option by its name, in order; flags have "true" or "false". */
  readonly given: ReadonlyMap<string, readonly string[]>;
  /** Words before `--` that are no options. */
  readonly words: readonly string[];
  /** Everything after `--`, as it is. */
  readonly literal: readonly string[];
}

const NEGATIVE_NUMBER = /^-\.?\d/;

/** Sorts `args`; an unknown option or one without its value is a `UsageError`. */
export function bindArguments(program: Program, args: readonly string[]): BoundArguments {
  const keys = program.options.map(({ key }) => key);
  const parsed = parseArgs(bindValues(program, args), {
    string: [...keys, "_"],
    boolean: [],
    collect: keys,
    "--": true,
  });
  const given = new Map<string, readonly string[]>();
  for (const { key, name } of program.options) {
    const values = parsed[key];
    if (Array.isArray(values) && values.length > 0) given.set(name, values.map(String));
  }
  return { given, words: parsed._, literal: parsed["--"] };
}

/** Writes every option as `--key=value`. */
function bindValues(program: Program, args: readonly string[]): string[] {
  const bound: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? "";
    if (arg === "--") return [...bound, ...args.slice(index)];
    if (!arg.startsWith("-") || arg === "-") {
      bound.push(arg);
      continue;
    }
    const { option, joined } = splitOption(program, arg);
    const value = joined ??
      (option.spec.kind === "flag" ? "true" : followingValue(option, args[++index]));
    bound.push(`--${option.key}=${value}`);
  }
  return bound;
}

/** The option that `arg` names, and its value where that is joined by `=`. */
function splitOption(
  program: Program,
  arg: string,
): { option: NamedOption; joined: string | undefined } {
  const [, dashes = "", name = "", joined] = /^(--?)([^=]*)(?:=(.*))?$/s.exec(
    arg === "-h" ? "--help" : arg,
  ) ?? [];
  // Options of one name under several commands are alike in taking a value or not: any of them will do.
  const option = program.options.find((candidate) => candidate.name === name);
  if (dashes === "--" && option !== undefined) return { option, joined };
  const near = nearest(name, program.options.map((candidate) => candidate.name));
  throw new UsageError(`Cannot use ${quoted(arg)}: ${program.spec.name} has no such option`, {
    hint: near !== undefined
      ? `Did you mean --${near}?`
      : dashes === "-"
      ? "Write -- before words that begin with a dash"
      : `See ${program.spec.name} --help`,
  });
}

function followingValue({ name, spec }: NamedOption, next: string | undefined): string {
  const isValue = next !== undefined &&
    (!next.startsWith("-") || next === "-" || NEGATIVE_NUMBER.test(next));
  if (isValue) return next;
  throw new UsageError(
    `Cannot use --${name} without a value: it takes ${describeValues(spec)}`,
    next === undefined ? {} : { hint: `Write --${name}=VALUE for a value that begins with a dash` },
  );
}
