/**
 * `hbserver log`: the timeline of one client or of all.
 *
 * @module
 */

import { journalText, vitalsText } from "../../platform/journal_text.ts";
import type { Line } from "../../platform/terminal.ts";
import { findServer } from "../api_client.ts";
import type { EventView } from "../json_view.ts";
import type { InvocationOf } from "../options.ts";
import type { CommandContext } from "./context.ts";

/** Prints the timeline; with `--follow` until the person ends it. */
export async function logCommand(
  { options, arguments: { who } }: InvocationOf<"log">,
  { terminal, dataDirectory, clock, stopping }: CommandContext,
): Promise<void> {
  const server = await findServer(dataDirectory);
  const since = options.since === undefined ? undefined : clock.wall() - options.since;
  const query = {
    who,
    kind: options.kind.length === 0 ? undefined : options.kind.join(","),
    since: since === undefined ? undefined : String(Math.round(since)),
  };
  if (!options.follow) {
    const lines = await server.get<EventView[]>("/api/log", query);
    if (options.json) return terminal.json(lines);
    for (const line of lines) terminal.data(showLine(line));
    return;
  }
  const end = AbortSignal.any([stopping, terminal.closed]);
  try {
    for await (const line of server.stream<EventView>("/api/log", { ...query, follow: "1" }, end)) {
      if (options.json) terminal.json(line);
      else terminal.data(showLine(line));
    }
  } catch (error) {
    if (!end.aborted) throw error;
  }
}

/** A line of the timeline for people. */
export function showLine(line: EventView): Line {
  const head = `${line.at}  ${(line.client ?? "-").padEnd(16)} ${line.kind.padEnd(8)}`;
  return [{ text: head, style: "dim" }, ` ${describe(line)}`];
}

function describe(line: EventView): string {
  const { at: _at, client: _client, kind, ...rest } = line;
  if (kind === "message") return describeMessage(rest);
  if (kind === "state") {
    const downtime = typeof rest.downtime_ms === "number"
      ? `, was away ${rest.downtime_ms} ms`
      : "";
    return `${rest.from ?? "new"} -> ${rest.state}${
      rest.cause ? ` (${rest.cause})` : ""
    }${downtime}`;
  }
  if (kind === "file") return describeFile(rest);
  if (kind === "journal") return journalText(rest);
  if (kind === "beat") return describeBeats(rest);
  if (kind === "alert") return `#${rest.id} ${rest.state} (${rest.cause})`;
  return Object.entries(rest)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(" ");
}

function describeMessage(message: Record<string, unknown>): string {
  const { from, to, state, text, stored_at: storedAt, shown_at: shownAt } = message;
  // A message from a client stands in the log since it was stored; one to it may have waited for long.
  const at = state === "shown" ? shownAt : from === "server" ? storedAt : null;
  return `${from} -> ${to} (${state}${typeof at === "string" ? ` ${at}` : ""}): ${text}`;
}

function describeBeats(line: Record<string, unknown>): string {
  const { beats, gap_ms: gap, gap_max_ms: longestGap, rtt_ms: rtt, rtt_max_ms: longest } = line;
  const facts = [`${beats} ${beats === 1 ? "heartbeat" : "heartbeats"}`];
  if (typeof gap === "number") {
    facts.push(`every ${seconds(gap)} (longest ${seconds(Number(longestGap))})`);
  }
  if (typeof rtt === "number") facts.push(`round trip ${rtt} ms (longest ${longest} ms)`);
  const { skew_ms: skew } = line;
  if (typeof skew === "number") {
    facts.push(`clock ${Math.abs(skew)} ms ${skew < 0 ? "behind" : "ahead"}`);
  }
  if (line.vitals !== null) facts.push(vitalsText(line.vitals));
  return facts.join(", ");
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function describeFile(file: Record<string, unknown>): string {
  if (typeof file.files === "number") {
    const rejected = file.rejected === 0 ? "" : `, ${file.rejected} rejected`;
    return `${file.files} files in ${file.path} (${file.bytes} bytes${rejected})`;
  }
  const facts = `${file.path} (${file.bytes} bytes, sha256 ${file.sha256})`;
  if (file.direction !== "out") return facts;
  const landed = typeof file.as === "string" ? ` as ${file.as}` : "";
  const reason = typeof file.reason === "string" ? ` (${file.reason})` : "";
  return `-> ${file.name} ${file.state}${landed}${reason}: ${facts}`;
}
