/**
 * `hbserver plan`: expect machines to be away, and see everything that is set.
 *
 * @module
 */

import type { Cell, Terminal } from "../../platform/terminal.ts";
import { UsageError } from "../../platform/usage_error.ts";
import type { OverlayView } from "../alert/alert_operations.ts";
import { describeOverlay, spanOf } from "../alert/overlay_text.ts";
import { findServer } from "../api_client.ts";
import type { InvocationOf } from "../options.ts";
import type { CommandContext } from "./context.ts";

/** With WHO plans an absence; with `--remove` ends what is set; otherwise lists it. */
export async function planCommand(
  { options, arguments: { who, note } }: InvocationOf<"plan">,
  { terminal, dataDirectory, user }: CommandContext,
): Promise<void> {
  const by = options.by ?? user;
  const { remove } = options;
  if (who !== undefined && (options.for === undefined) === (remove === undefined)) {
    throw new UsageError("Cannot plan an absence: it needs --for, and not --remove", {
      hint: "such as --for 30m",
    });
  }
  const server = await findServer(dataDirectory);
  if (remove !== undefined) {
    const ended = await server.post<OverlayView>("/api/plans/remove", { id: remove, by });
    if (options.json) return terminal.json(ended);
    return terminal.talk(`Ended: ${describeOverlay(ended)}.`);
  }
  if (who === undefined) {
    const all = await server.get<OverlayView[]>("/api/plans");
    return options.json ? terminal.json(all) : table(all, terminal);
  }
  const set = await server.post<OverlayView[]>("/api/plan", {
    who,
    by,
    note: note.length === 0 ? undefined : note.join(" "),
    for_ms: options.for,
  });
  if (options.json) return terminal.json(set);
  printOverlays(set, terminal);
}

/** Says what has been set, one line each. */
export function printOverlays(overlays: OverlayView[], terminal: Terminal): void {
  for (const overlay of overlays) {
    terminal.talk(
      `${describeOverlay(overlay)} (end it early: hbserver plan --remove ${overlay.id})`,
    );
  }
}

function table(overlays: OverlayView[], terminal: Terminal): void {
  if (overlays.length === 0) return terminal.talk("Nothing is set.");
  const head = ["ID", "WHAT", "WHO", "NOW", "WHEN", "BY", "NOTE"];
  const rows = overlays.map((overlay): Cell[] => [
    ...[String(overlay.id), overlay.kind, overlay.who],
    overlay.active ? { text: "holds", style: "yellow" } : "",
    ...[spanOf(overlay), overlay.by, overlay.note ?? ""],
  ]);
  terminal.table([head.map((text): Cell => ({ text, style: "bold" })), ...rows]);
}
