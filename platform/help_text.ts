/**
 * The manual of a program or of one of its commands, made from the option table.
 *
 * @module
 */

import { type CommandSpec, COMMON_OPTIONS, type OptionSpec } from "./option_spec.ts";
import { describeValues } from "./option_value.ts";
import { type NamedOption, optionsOf, type Program, usageLine } from "./program.ts";

/** Widest line of a manual, in characters. */
export const HELP_COLUMNS = 100;
/** Widest left column; a longer entry has its text on the next line. */
const MAX_LEFT_COLUMNS = 30;

/** The manual of the whole program, or of one command. Ends with a line feed. */
export function helpText(program: Program, command?: string): string {
  const sections = command === undefined
    ? programSections(program)
    : commandSections(program, command);
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

function programSections(program: Program): string[] {
  const { name, summary, description = [], commands, exitCodes, examples } = program.spec;
  const usages = [
    `${name} ${Object.keys(commands).length > 1 ? "[COMMAND] " : ""}[OPTIONS] [ARGUMENTS]`,
    `${name} COMMAND --help`,
  ];
  const own = program.options.filter(({ key }) => !Object.hasOwn(COMMON_OPTIONS, key));
  return [
    ...wrapParagraphs([`${name}: ${summary}`, ...description]),
    usages.map((usage, index) => `${index === 0 ? "Usage:" : "      "} ${usage}`).join("\n"),
    columns("Commands:", Object.keys(commands).map((key) => commandRow(program, key))),
    ...groupByCommands(own).map(([heading, options]) =>
      columns(heading, options.map((option) => optionRow(option)))
    ),
    commonSection(program),
    settingsSection(program),
    columns("Exit codes:", (exitCodes ?? []).map(([code, meaning]) => [String(code), meaning])),
    exampleSection(examples ?? []),
  ];
}

function commandSections(program: Program, command: string): string[] {
  const { name, commands } = program.spec;
  const spec: CommandSpec | undefined = commands[command];
  const own = optionsOf(program, command)
    .filter(({ key }) => !Object.hasOwn(COMMON_OPTIONS, key));
  return [
    ...wrapParagraphs([`${name} ${command}: ${spec?.summary ?? ""}`, spec?.description ?? ""]),
    `Usage: ${usageLine(program, command)}`,
    columns("Options:", own.map((option) => optionRow(option))),
    commonSection(program),
    exampleSection(
      (program.spec.examples ?? []).filter(([line]) =>
        line.startsWith(`${name} ${command} `) || line === `${name} ${command}`
      ),
    ),
  ];
}

type Row = readonly [left: string, right: string];

function commandRow(program: Program, command: string): Row {
  const { commands, defaultCommand } = program.spec;
  const usage = usageLine(program, command)
    .slice(program.spec.name.length + 1).replace(/ \[OPTIONS\]$/, "");
  const suffix = command === defaultCommand ? " (when no command is named)" : "";
  return [usage, `${commands[command]?.summary ?? ""}${suffix}`];
}

/** Options under the heading of the commands that take them, in the order of the table. */
function groupByCommands(options: readonly NamedOption[]): [string, NamedOption[]][] {
  const groups = new Map<string, NamedOption[]>();
  for (const option of options) {
    const heading = option.spec.commands === undefined
      ? "Options of all commands:"
      : `Options of ${option.spec.commands.join(", ")}:`;
    groups.set(heading, [...groups.get(heading) ?? [], option]);
  }
  return [...groups];
}

function commonSection(program: Program): string {
  const common = program.options.filter(({ key }) => Object.hasOwn(COMMON_OPTIONS, key));
  return columns("Options of every command:", common.map((option) => optionRow(option)));
}

function optionRow({ name, variable, spec }: NamedOption): Row {
  const notes: string[] = [];
  if (spec.kind === "choice") notes.push(`One of ${spec.choices.join(", ")}.`);
  if (spec.kind === "number" && (spec.min !== undefined || spec.max !== undefined)) {
    notes.push(`Takes ${describeValues(spec)}.`);
  }
  if (spec.kind === "address" && spec.allowOff === true) notes.push("Or off.");
  if (spec.kind !== "flag" && spec.repeatable === true) {
    notes.push(
      spec.kind === "choice" ? "Several: repeat it or join by commas." : "May be repeated.",
    );
  }
  if (spec.kind !== "flag" && spec.default !== undefined) notes.push(`Default: ${spec.default}.`);
  if (spec.commandLineOnly !== true) notes.push(`[${variable}]`);
  const value = placeholder(spec);
  return [`--${name}${value === "" ? "" : ` ${value}`}`, [spec.help, ...notes].join(" ")];
}

function placeholder(spec: OptionSpec): string {
  if (spec.placeholder !== undefined) return spec.placeholder;
  switch (spec.kind) {
    case "flag":
      return "";
    case "address":
      return "HOST:PORT";
    case "duration":
      return "TIME";
    case "choice":
      return "WORD";
    case "text":
    case "number":
    case "size":
      return spec.kind.toUpperCase();
  }
}

function settingsSection({ spec: { name } }: Program): string {
  const text = [
    `An option whose text ends in [HB_…] may also be set by that environment variable, or in the TOML ` +
    `file named by --config (else ${name}.toml in the data directory) by its name without dashes, such ` +
    `as log-level = "debug". The command line wins over the environment, that over the file. A variable ` +
    `for an option that may be repeated holds its values with blanks between them.`,
    "Sizes: 65536, 10M, 2GiB; K, M, G and T are KiB, MiB, GiB and TiB (powers of 1024), KB to TB are " +
    "powers of 1000. Times: 500ms, 30s, 5m, 2h, 1d or 1h30m; a plain number is seconds.",
  ];
  return ["Settings:", ...text.map((paragraph) => indent(wrap(paragraph, HELP_COLUMNS - 2), 2))]
    .join("\n");
}

function exampleSection(examples: readonly (readonly [string, string])[]): string {
  if (examples.length === 0) return "";
  const lines = examples.map(([line, effect]) =>
    `  ${line}\n${indent(wrap(effect, HELP_COLUMNS - 6), 6)}`
  );
  return ["Examples:", ...lines].join("\n");
}

/** A heading and rows of two columns; nothing at all without rows. */
function columns(heading: string, rows: readonly Row[]): string {
  if (rows.length === 0) return "";
  const widths = rows.map(([left]) => left.length).filter((width) => width <= MAX_LEFT_COLUMNS);
  const width = Math.max(0, ...widths);
  const lines = rows.map(([left, right]) => {
    const text = wrap(right, HELP_COLUMNS - width - 4);
    if (left.length > width) return [`  ${left}`, indent(text, width + 4)].join("\n");
    const [first = "", ...rest] = text;
    return [
      `  ${left.padEnd(width)}  ${first}`.trimEnd(),
      ...rest.map((line) => indent([line], width + 4)),
    ]
      .join("\n");
  });
  return [heading, ...lines].join("\n");
}

function wrapParagraphs(paragraphs: readonly string[]): string[] {
  return paragraphs.map((paragraph) => wrap(paragraph, HELP_COLUMNS).join("\n"));
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return line === "" ? lines : [...lines, line];
}

function indent(lines: readonly string[], columns: number): string {
  return lines.map((line) => " ".repeat(columns) + line).join("\n");
}
