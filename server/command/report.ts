/**
 * `hbserver report`: uptime, outages and causes of a month.
 *
 * @module
 */

import type { Cell, Terminal } from "../../platform/terminal.ts";
import { duration } from "../alert_text.ts";
import { findServer } from "../api_client.ts";
import type { InvocationOf } from "../options.ts";
import type { ReportView } from "../report.ts";
import type { CommandContext } from "./context.ts";

const HEAD = [
  "NAME",
  "UPTIME",
  "WATCHED",
  "DOWN",
  "OUTAGES",
  "CAUSES",
  "LONGEST GAP",
  "GAP",
  "RTT",
  "PHI",
];

/** Prints the table, CSV or JSON. */
export async function reportCommand(
  { options, arguments: { who } }: InvocationOf<"report">,
  { terminal, dataDirectory }: CommandContext,
): Promise<void> {
  const server = await findServer(dataDirectory);
  const { month, zone } = options;
  const reports = await server.get<ReportView[]>("/api/report", { who, month, zone });
  if (options.json) return terminal.json(reports);
  if (options.csv) {
    for (const row of reportRows(reports)) terminal.csv(row);
    return;
  }
  if (reports.length === 0) return terminal.talk("No clients yet.");
  terminal.table([HEAD.map((text): Cell => ({ text, style: "bold" })), ...reports.map(rowOf)]);
  if (who !== undefined) printOutages(reports, terminal);
}

function rowOf(report: ReportView): Cell[] {
  const causes = Object.entries(report.causes).map(([cause, count]) => `${count} ${cause}`);
  const ms = (value: number | null) => value === null ? "-" : duration(value);
  return [
    report.revoked ? `${report.name} (revoked)` : report.name,
    uptimeText(report.uptime),
    duration(report.watched_ms),
    report.down_ms === 0 ? "-" : duration(report.down_ms),
    String(report.outages.length),
    causes.length === 0 ? "-" : causes.join(", "),
    ms(report.longest_gap_ms),
    report.gap_ms === null ? "-" : `${ms(report.gap_ms)} ± ${ms(report.jitter_ms)}`,
    report.rtt_ms === null ? "-" : `${report.rtt_ms.toFixed(1)} ms`,
    report.phi === null ? "-" : String(report.phi),
  ];
}

/** Never rounded up to 100 %: `99.999 %` is not whole. */
function uptimeText(uptime: number | null): string {
  if (uptime === null) return "-";
  return `${(Math.floor(uptime * 100_000) / 1_000).toFixed(3)} %`;
}

function printOutages(reports: readonly ReportView[], terminal: Terminal): void {
  for (const { name, outages } of reports) {
    for (const { from, to, ms, cause, maintenance } of outages) {
      const end = to === null ? "goes on" : `to ${to}`;
      const note = maintenance ? ", in maintenance" : "";
      terminal.data(`${name}  ${from} ${end}  ${duration(ms)}  ${cause}${note}`);
    }
  }
}

const COLUMNS = [
  "name",
  "revoked",
  "from",
  "to",
  "uptime",
  "watched_ms",
  "down_ms",
  "planned_ms",
  "maintenance_ms",
  "server_away_ms",
  "flapping_ms",
  "outages",
  "causes",
  "longest_gap_ms",
  "gap_ms",
  "jitter_ms",
  "rtt_ms",
  "phi",
] as const;

/** The rows of a spreadsheet: the columns' names, then one for each client. */
export function reportRows(reports: readonly ReportView[]): string[][] {
  const rows = reports.map((report) =>
    COLUMNS.map((column) => {
      if (column === "outages") return String(report.outages.length);
      if (column !== "causes") return String(report[column] ?? "");
      return Object.entries(report.causes).map(([cause, n]) => `${n} ${cause}`).join("; ");
    })
  );
  return [[...COLUMNS], ...rows];
}
