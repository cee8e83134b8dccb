/**
 * The programs' log, by LogTape: one line per record, for people or as JSON for programs.
 *
 * Values in a record may come from peers. In text they are made visible, in JSON escaped: a line of the log
 * is always one line, and says what it says.
 *
 * @module
 */

import {
  configureSync,
  getLogger,
  type Logger,
  type LogLevel as TapeLevel,
  type LogRecord,
  resetSync,
} from "@logtape/logtape";
import type { Clock } from "./clock.ts";
import { safeJson } from "./safe_json.ts";
import { visible } from "./visible_text.ts";

export type { Logger } from "@logtape/logtape";

/** The least important level that is written, as in `--log-level`. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Lines for people or for programs, as in `--log-format`. */
export type LogFormat = "text" | "json";

/** How {@linkcode configureLogging} sets the log up. */
export interface LoggingOptions {
  level: LogLevel;
  format: LogFormat;
  /** Takes a line without its end; must not block. */
  write: (line: string) => void;
  /** Where the times come from. */
  clock: Pick<Clock, "wall">;
}

/** Longest value that a text line shows, in UTF-16 code units; JSON lines have it whole. */
export const MAX_LOGGED_CHARS = 2048;
/** Causes of an error that are followed. */
const MAX_CAUSES = 4;
const ROOT = "hb";
const TAPE_LEVELS = { debug: "debug", info: "info", warn: "warning", error: "error" } as const;
const LEVEL_NAMES: Readonly<Record<TapeLevel, string>> = {
  trace: "trace",
  debug: "debug",
  info: "info",
  warning: "warn",
  error: "error",
  fatal: "fatal",
};

/**
 * Sends the log of the whole process to `write`, in place of what was set up before; until the first call,
 * and after the result is disposed of, nothing is logged.
 */
export function configureLogging({ level, format, write, clock }: LoggingOptions): Disposable {
  const line = format === "json" ? jsonLine : textLine;
  configureSync({
    reset: true,
    sinks: { lines: (record) => write(line(record, new Date(clock.wall()).toISOString())) },
    loggers: [
      { category: [ROOT], sinks: ["lines"], lowestLevel: TAPE_LEVELS[level] },
      { category: ["logtape", "meta"], sinks: ["lines"], lowestLevel: "error" },
    ],
  });
  return { [Symbol.dispose]: resetSync };
}

/**
 * The log of one part of a program: `getLog("server", "session")`. Log with a template and properties,
 * `log.info("Stored {bytes} bytes", { client, bytes })`; `client` names whom a line is about.
 */
export function getLog(...category: string[]): Logger {
  return getLogger([ROOT, ...category]);
}

/** `2026-11-22T10:00:00.123Z INFO  till-3: message (other properties)`. */
function textLine(record: LogRecord, at: string): string {
  const { client, ...properties } = record.properties;
  const about = typeof client === "string" ? client : record.category.slice(1).join(".");
  const template = typeof record.rawMessage === "string" ? record.rawMessage : "";
  const others = Object.entries(properties)
    .filter(([key, value]) => value !== undefined && !template.includes(`{${key}}`))
    .map(([key, value]) => `${shown(key)}=${shown(value)}`);
  return [
    `${at} ${LEVEL_NAMES[record.level].toUpperCase().padEnd(5)} `,
    about === "" ? "" : `${shown(about)}: `,
    record.message.map(shown).join(""),
    others.length === 0 ? "" : ` (${others.join(", ")})`,
  ].join("");
}

function jsonLine(record: LogRecord, at: string): string {
  const head = {
    at,
    level: LEVEL_NAMES[record.level],
    category: record.category.join("."),
    message: record.message.map(plain).join(""),
  };
  const properties = Object.fromEntries(
    Object.entries(record.properties).map(([key, value]) => [key, describeError(value)]),
  );
  try {
    // The head comes first and cannot be replaced by a property of the same name.
    return safeJson({ ...head, ...properties, ...head });
  } catch {
    // A value that contains itself; the line matters more than that value.
    return safeJson(head);
  }
}

function shown(value: unknown): string {
  return visible(plain(value), { maxChars: MAX_LOGGED_CHARS });
}

/** A value as text, without quotes around a string. */
function plain(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return causes(value).map(({ message }) => message).join(" < ");
  try {
    return safeJson(value);
  } catch {
    // As in jsonLine(): a value that contains itself.
    return String(value);
  }
}

/** An error as JSON can hold it; anything else as it is. */
function describeError(value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const [first, ...rest] = causes(value).map((error) => ({
    name: error.name,
    message: error.message,
    ...("code" in error ? { code: error.code } : {}),
  }));
  return rest.length === 0 ? first : { ...first, causes: rest };
}

function causes(error: Error): Error[] {
  const chain: Error[] = [];
  for (
    let next: unknown = error;
    next instanceof Error && chain.length < MAX_CAUSES;
    next = next.cause
  ) chain.push(next);
  return chain;
}
