/**
 * A program's TOML file: keys are the option names, and nothing else may be in it.
 *
 * @module
 */

// @ts-types="./toml_parse.d.ts"
import { parse } from "@std/toml/parse";
import { nearest } from "./nearest_name.ts";
import type { OptionSpec } from "./option_spec.ts";
import { describeValues, type OptionValue, quoted, readOptionValue } from "./option_value.ts";
import type { Program } from "./program.ts";
import { UsageError } from "./usage_error.ts";

/** The values of each option by its name; those of other commands than the one that runs are there too. */
export type FileSettings = ReadonlyMap<string, readonly OptionValue[]>;

/**
 * Reads and checks a configuration file. A key that is no option, a value that does not fit, broken TOML
 * or, when `required`, a missing file is a `UsageError` that names the file and the key.
 */
export function readConfigFile(
  program: Program,
  { path, required, sources }: {
    path: string;
    required: boolean;
    sources: { readTextFile: (path: string) => string };
  },
): FileSettings {
  const table = readTable(path, { required, sources });
  const settings = new Map<string, readonly OptionValue[]>();
  const settable = program.options.filter(({ key, spec }) =>
    spec.commandLineOnly !== true && key !== "config"
  );
  for (const [key, value] of Object.entries(table)) {
    const option = settable.find(({ name }) => name === key);
    if (option === undefined) {
      const near = nearest(key, settable.map(({ name }) => name));
      throw new UsageError(
        `Cannot use key ${quoted(key)} in ${quoted(path)}: it is no option for a file`,
        near === undefined ? {} : { hint: `Did you mean ${near}?` },
      );
    }
    settings.set(key, readValues(option.spec, value, `key ${quoted(key)} in ${quoted(path)}`));
  }
  return settings;
}

function readTable(
  path: string,
  { required, sources }: {
    required: boolean;
    sources: { readTextFile: (path: string) => string };
  },
): Record<string, unknown> {
  let text: string;
  try {
    text = sources.readTextFile(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (!required && (code === "ENOENT" || code === "ENOTDIR")) return {};
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Cannot read configuration file ${quoted(path)}: ${reason}`, {
      cause: error,
    });
  }
  try {
    return parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Cannot read ${quoted(path)} as TOML: ${reason}`, { cause: error });
  }
}

function readValues(spec: OptionSpec, value: unknown, source: string): OptionValue[] {
  const repeatable = spec.kind !== "flag" && spec.repeatable === true;
  const items: unknown[] = repeatable && Array.isArray(value) ? value : [value];
  return items.map((item) => {
    if (!fitsKind(spec, item)) {
      throw new UsageError(`Cannot use ${source}: it takes ${describeValues(spec)}`, {
        hint: typeof item === "string" ? "Write it without quotes" : "Write it in double quotes",
      });
    }
    return readOptionValue(spec, String(item), source);
  });
}

/** TOML says what is text and what is a number: a flag is a boolean, and only quantities may be numbers. */
function fitsKind(spec: OptionSpec, item: unknown): boolean {
  switch (spec.kind) {
    case "flag":
      return typeof item === "boolean";
    case "number":
      return typeof item === "number";
    case "size":
    case "duration":
      return typeof item === "number" || typeof item === "string";
    case "text":
    case "address":
    case "choice":
      return typeof item === "string";
  }
}
