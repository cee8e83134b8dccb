/**
 * A program's option table once it has been checked, and what can be asked of it.
 *
 * @module
 */

import {
  type ArgumentSpec,
  type CommandSpec,
  COMMON_OPTIONS,
  type OptionSpec,
  type ProgramSpec,
} from "./option_spec.ts";
import { readOptionValue } from "./option_value.ts";

/** One option of a program under the key that the result has it under. */
export interface NamedOption {
  /** Key in the result: `maxFileSize`. */
  readonly key: string;
  /** Name on the command line and in the file: `max-file-size`. */
  readonly name: string;
  /** Name in the environment: `HB_MAX_FILE_SIZE`. */
  readonly variable: string;
  readonly spec: OptionSpec;
}

/** A checked table, made by {@linkcode defineProgram}. */
export interface Program<S extends ProgramSpec = ProgramSpec> {
  readonly spec: S;
  /** The program's own options first, then the common ones. */
  readonly options: readonly NamedOption[];
}

/** The names of commands that every program has by itself. */
export const RESERVED_COMMANDS = ["help", "version"];

/** Checks a table; a mistake in it is a `TypeError` at once, whatever the arguments are. */
export function defineProgram<const S extends ProgramSpec>(spec: S): Program<S> {
  const options = Object.entries<OptionSpec>({ ...spec.options, ...COMMON_OPTIONS }).map(
    nameOption,
  );
  const program = { spec, options };
  checkCommands(spec);
  for (const option of options) checkOption(program, option);
  return program;
}

/** The options that a command takes, in the order of the table. */
export function optionsOf(program: Program, command: string): NamedOption[] {
  return program.options.filter(({ spec }) => spec.commands?.includes(command) ?? true);
}

/** The command's line in usage messages: `hbserver message WHO TEXT… [OPTIONS]`. */
export function usageLine(program: Program, command: string): string {
  const { name, defaultCommand, commands } = program.spec;
  const words = [name, command === defaultCommand ? `[${command}]` : command];
  for (const argument of commands[command]?.arguments ?? []) words.push(showArgument(argument));
  return `${words.join(" ")} [OPTIONS]`;
}

function showArgument({ name, required, repeatable }: ArgumentSpec): string {
  const shown = repeatable === true ? `${name}…` : name;
  return required === true ? shown : `[${shown}]`;
}

function nameOption([key, spec]: [string, OptionSpec]): NamedOption {
  const name = spec.name ?? key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return { key, name, variable: `HB_${name.toUpperCase().replaceAll("-", "_")}`, spec };
}

function checkCommands({ commands, defaultCommand }: ProgramSpec): void {
  if (!Object.hasOwn(commands, defaultCommand)) {
    throw new TypeError(`Cannot define program: default command "${defaultCommand}" is missing`);
  }
  for (const [name, { arguments: list = [] }] of Object.entries<CommandSpec>(commands)) {
    if (RESERVED_COMMANDS.includes(name)) {
      throw new TypeError(`Cannot define command "${name}": every program has it`);
    }
    list.forEach((argument, index) => {
      const afterOptional = argument.required === true && index > 0 &&
        list[index - 1]?.required !== true;
      if ((argument.repeatable === true && index < list.length - 1) || afterOptional) {
        throw new TypeError(`Cannot define command "${name}": misplaced ${argument.name}`);
      }
    });
  }
}

function checkOption(program: Program, { key, name, spec }: NamedOption): void {
  const twins = program.options.filter((other) => other.name === name && other.key !== key);
  for (const twin of twins) {
    const apart = spec.commands?.every((command) => !twin.spec.commands?.includes(command)) &&
      twin.spec.commands !== undefined;
    const settable = spec.commandLineOnly !== true && twin.spec.commandLineOnly !== true;
    if (!apart || settable || (spec.kind === "flag") !== (twin.spec.kind === "flag")) {
      throw new TypeError(`Cannot define option "${key}": it collides with "${twin.key}"`);
    }
  }
  for (const command of spec.commands ?? []) {
    if (!Object.hasOwn(program.spec.commands, command)) {
      throw new TypeError(`Cannot define option "${key}": there is no command "${command}"`);
    }
  }
  if (spec.kind !== "flag" && spec.default !== undefined) {
    readOptionValue(spec, spec.default, `the default of --${name}`);
  }
}
