/**
 * What is told at the end of quiet hours in place of all that was kept back in them. Pure.
 *
 * @module
 */

import type { WeeklyWindow } from "./calendar.ts";
import { type Notice, SEVERITIES } from "./notice.ts";

/** Alerts that a summary names at most; the others are counted. */
export const MAX_SUMMARISED = 30;

/** The one notice that was kept back, saying that it comes late. */
export function lateNotice(notice: Notice, { text }: WeeklyWindow): Notice {
  const at = new Date(notice.at).toISOString();
  return {
    ...notice,
    title: `Late: ${notice.title}`,
    text: `${notice.text} (told late, as it was quiet ${text}; decided at ${at})`,
  };
}

/** One notice for several that were kept back: what is still open first. */
export function summaryNotice(
  deferred: readonly Notice[],
  { id, at, quiet }: { id: string; at: number; quiet: WeeklyWindow },
): Notice {
  const last = new Map<number | string, Notice>();
  for (const notice of deferred) {
    const key = notice.alert ?? notice.id;
    last.delete(key);
    last.set(key, notice);
  }
  const all = [...last.values()];
  const over = all.filter(({ kind }) => kind === "recovery" || kind === "relief");
  const open = all.filter((notice) => !over.includes(notice));
  const parts = [list("still open", open), list("over", over)].filter((part) => part !== "");
  const count = [
    open.length === 0 ? "" : `${open.length} still open`,
    over.length === 0 ? "" : `${over.length} over`,
  ];
  const clients = new Set(all.flatMap((notice) => notice.clients));
  const ranks = all.map(({ severity }) => SEVERITIES.indexOf(severity));
  return {
    id,
    kind: "summary",
    severity: SEVERITIES[Math.max(0, ...ranks)] ?? "critical",
    at,
    alert: undefined,
    cause: undefined,
    clients: [...clients].sort(),
    tags: [...new Set(all.flatMap(({ tags }) => tags))],
    title: `While it was quiet: ${count.filter((part) => part !== "").join(", ")}`,
    text: `While it was quiet (${quiet.text}): ${parts.join("; ")}`,
  };
}

function list(what: string, notices: readonly Notice[]): string {
  if (notices.length === 0) return "";
  const titles = notices.slice(0, MAX_SUMMARISED).map(({ title }) => title);
  const more = notices.length - titles.length;
  return `${what}: ${titles.join(", ")}${more === 0 ? "" : ` and ${more} more`}`;
}
