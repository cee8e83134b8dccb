/**
 * An entry of a client's journal in words, as both programs show it.
 *
 * @module
 */

import { formatDuration } from "./quantity.ts";

/** What {@linkcode journalText} looks at; anything may be missing, as a peer wrote it. */
export interface ShownEntry {
  event?: unknown;
  reason?: unknown;
  ms?: unknown;
  vitals?: unknown;
  /** Entries before this one that were lost for want of space. */
  dropped?: unknown;
}

/** The words for an entry; peers' text in it is not made visible yet. */
export function journalText(entry: ShownEntry & Record<string, unknown>): string {
  const { dropped } = entry;
  const missing = typeof dropped === "number" ? `(${dropped} entries before this are lost) ` : "";
  return missing + wordsOf(entry);
}

function wordsOf({ event, reason, ms, vitals }: ShownEntry): string {
  const why = typeof reason === "string" ? reason : "";
  const time = typeof ms === "number" ? formatDuration(ms) : "some time";
  const because = why === "" ? "" : `: ${why}`;
  switch (event) {
    case "server_lost":
      return `the machine was on, but had lost the server${because}`;
    case "server_back":
      return `the machine had the server again, after ${time}`;
    case "slept":
      return `the machine slept for ${time}, or its clock was set forward`;
    case "clock_set":
      return `the machine's clock was set back by ${time}`;
    case "rebooted":
      return `the machine was booted; last alive ${time} before${because}`;
    case "started":
      return ms === undefined
        ? "the agent started for the first time"
        : `the agent started; last alive ${time} before${because}`;
    case "stopped":
      return `the agent was stopped${because}`;
    case "vitals":
      return `the machine was on: ${vitalsText(vitals)}`;
    default:
      return `${String(event)}${because}`;
  }
}

/** Vitals in words: `cpu 7 %, mem 40 %, up 2 h`. */
export function vitalsText(vitals: unknown): string {
  if (typeof vitals !== "object" || vitals === null) return "nothing measured";
  return Object.entries(vitals).map(([name, value]) =>
    name === "up"
      ? `up ${formatDuration(Number(value) * 1_000)}`
      : `${name} ${Math.round(Number(value) * 100)} %`
  ).join(", ");
}
