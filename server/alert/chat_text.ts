/**
 * How a notice looks in a chat: one sign for how bad it is, and limits on its length. Pure.
 *
 * @module
 */

import { visible } from "../../platform/visible_text.ts";
import type { Notice } from "./notice.ts";

/** The sign before a title. */
export function signOf({ kind, severity }: Notice): string {
  if (kind === "recovery" || kind === "relief") return "\u{1F7E2}";
  if (kind === "test" || kind === "summary") return "\u{1F535}";
  return severity === "critical" ? "\u{1F534}" : severity === "warning" ? "\u{1F7E0}" : "\u{1F535}";
}

/** The text without invisible characters and of at most so many UTF-16 code units. */
export function bounded(text: string, maxChars: number): string {
  const shown = visible(text, { keepNewlines: true });
  return shown.length <= maxChars ? shown : `${shown.slice(0, maxChars - 1).trimEnd()}\u2026`;
}
