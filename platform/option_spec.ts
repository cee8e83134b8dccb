/**
 * What a program's option table looks like, and which types follow from it.
 *
 * Types and the options that both programs share; the work is done in `option_table.ts`.
 *
 * @module
 */

import type { Address } from "./address.ts";

/** What every kind of option has. */
export interface OptionBase {
  /** What it does, for the manual: one or two sentences, without its default. */
  readonly help: string;
  /** The commands that take it. @default all commands */
  readonly commands?: readonly string[];
  /** Its name without dashes. @default the key in the table, `maxFileSize` becoming `max-file-size` */
  readonly name?: string;
  /** What the manual shows for its value. @default depends on the kind */
  readonly placeholder?: string;
  /** True for what belongs to one call and cannot be set by environment or file. @default {false} */
  readonly commandLineOnly?: boolean;
}

/** What options with a value have besides. */
export interface ValueBase extends OptionBase {
  /** The value when nothing else sets it, as it would be typed. */
  readonly default?: string;
  /** May be given several times; its value is then an array, empty when never given. @default {false} */
  readonly repeatable?: boolean;
}

/** An option without a value: present or not. */
export interface FlagOption extends OptionBase {
  readonly kind: "flag";
}

/** Any text that is not empty. */
export interface TextOption extends ValueBase {
  readonly kind: "text";
}

/** A decimal number. */
export interface NumberOption extends ValueBase {
  readonly kind: "number";
  /** Lowest value. */
  readonly min?: number;
  /** Highest value. */
  readonly max?: number;
  /** Refuses fractions. @default {false} */
  readonly integer?: boolean;
}

/** A number of bytes, see `parseSize()`. */
export interface SizeOption extends ValueBase {
  readonly kind: "size";
  /** Lowest value, in bytes. */
  readonly min?: number;
  /** Highest value, in bytes. */
  readonly max?: number;
}

/** A time, see `parseDuration()`; its value is in milliseconds. */
export interface DurationOption extends ValueBase {
  readonly kind: "duration";
  /** Lowest value, in milliseconds. */
  readonly min?: number;
  /** Highest value, in milliseconds. */
  readonly max?: number;
}

/** A TCP address, see `parseAddress()`. */
export interface AddressOption extends ValueBase {
  readonly kind: "address";
  /** The host of `:PORT`. */
  readonly defaultHostname?: string;
  /** The port of `HOST`. */
  readonly defaultPort?: number;
  /** Takes the word `off` as well; the value is then the text "off". @default {false} */
  readonly allowOff?: boolean;
}

/** One of some words; when repeatable, several may also be joined by commas. */
export interface ChoiceOption extends ValueBase {
  readonly kind: "choice";
  /** The words. */
  readonly choices: readonly string[];
}

/** One option. */
export type OptionSpec =
  | FlagOption
  | TextOption
  | NumberOption
  | SizeOption
  | DurationOption
  | AddressOption
  | ChoiceOption;

/** One word, or the last words, after the command. */
export interface ArgumentSpec {
  /** Its name in capitals, as the manual shows it; the result has it in small letters. */
  readonly name: string;
  /** @default {false} */
  readonly required?: boolean;
  /** Takes all the words that are left; only the last argument may. @default {false} */
  readonly repeatable?: boolean;
  /** The only words that it may be. */
  readonly choices?: readonly string[];
}

/** One command. */
export interface CommandSpec {
  /** One line for the list of commands. */
  readonly summary: string;
  /** More for the command's own page. */
  readonly description?: string;
  /** What follows the command, in order. */
  readonly arguments?: readonly ArgumentSpec[];
}

/** One program: everything that its command line, environment and file can say. */
export interface ProgramSpec {
  /** The program's name, also of its configuration file. */
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** Paragraphs for the top of the manual. */
  readonly description?: readonly string[];
  /** The command when none is named. */
  readonly defaultCommand: string;
  /** The commands by name. */
  readonly commands: Readonly<Record<string, CommandSpec>>;
  /** The options by key; those of {@linkcode COMMON_OPTIONS} come by themselves. */
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Exit codes with their meaning, for the manual. */
  readonly exitCodes?: readonly (readonly [code: number, meaning: string])[];
  /** Command lines with what they do, for the manual. */
  readonly examples?: readonly (readonly [command: string, effect: string])[];
}

/** The options of both programs and all their commands. */
export const COMMON_OPTIONS = {
  data: { kind: "text", placeholder: "DIR", help: "Data directory." },
  config: {
    kind: "text",
    placeholder: "FILE",
    help:
      "TOML file with options; without it, the program's own file in the data directory if there.",
  },
  json: {
    kind: "flag",
    help: "Print JSON and nothing else on stdout: one value, or one object per line for streams.",
  },
  logLevel: {
    kind: "choice",
    choices: ["debug", "info", "warn", "error"],
    default: "info",
    help: "The least important messages to log.",
  },
  logFormat: {
    kind: "choice",
    choices: ["text", "json"],
    default: "text",
    help: "Log lines for people or for programs.",
  },
  noColor: { kind: "flag", help: "No colours; so does the variable NO_COLOR." },
  help: { kind: "flag", commandLineOnly: true, help: "Show this manual, or that of the command." },
  version: { kind: "flag", commandLineOnly: true, help: "Show the version." },
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** The type of one value of an option. */
type ValueOf<O> = O extends { kind: "flag" } ? boolean
  : O extends { kind: "number" | "size" | "duration" } ? number
  : O extends { kind: "address" } ? O extends { allowOff: true } ? Address | "off" : Address
  : O extends { choices: readonly (infer C)[] } ? C
  : string;

/** The type of an option in the result. */
type ResultOf<O> = O extends { repeatable: true } ? readonly ValueOf<O>[]
  : O extends { kind: "flag" } ? boolean
  : O extends { default: string } ? ValueOf<O>
  : ValueOf<O> | undefined;

/** The keys of the options that a command takes. */
type KeysFor<T, C> = {
  [K in keyof T]: T[K] extends { commands: readonly (infer N)[] } ? C extends N ? K : never : K;
}[keyof T];

/** The options of command `C` of program `S`, each with the type that its kind gives. */
export type OptionsOf<S extends ProgramSpec, C> =
  & { readonly [K in KeysFor<S["options"], C>]: ResultOf<S["options"][K]> }
  & {
    readonly [K in Exclude<keyof typeof COMMON_OPTIONS, "help" | "version">]: ResultOf<
      (typeof COMMON_OPTIONS)[K]
    >;
  };

/** The type of one word of an argument. */
type WordOf<A> = A extends { choices: readonly (infer C)[] } ? C : string;

/** The type of an argument in the result. */
type ArgumentOf<A> = A extends { repeatable: true } ? readonly WordOf<A>[]
  : A extends { required: true } ? WordOf<A>
  : WordOf<A> | undefined;

/** The arguments of a command, by their names in small letters. */
export type ArgumentsOf<C> = C extends { arguments: readonly (infer A)[] } ? {
    readonly [E in Extract<A, ArgumentSpec> as Lowercase<E["name"]>]: ArgumentOf<E>;
  }
  : Readonly<Record<never, never>>;

/** A checked call of one of the program's commands; narrow it by `command`. */
export type CommandInvocation<S extends ProgramSpec> = {
  [C in keyof S["commands"] & string]: {
    readonly command: C;
    readonly options: OptionsOf<S, C>;
    readonly arguments: ArgumentsOf<S["commands"][C]>;
  };
}[keyof S["commands"] & string];

/** A call for the manual (`about` a command, or all of it) or for the version. */
export type InformationRequest<S extends ProgramSpec> =
  | { readonly command: "help"; readonly about: (keyof S["commands"] & string) | undefined }
  | { readonly command: "version"; readonly json: boolean };

/** What a command line asks for. */
export type Invocation<S extends ProgramSpec> = CommandInvocation<S> | InformationRequest<S>;
