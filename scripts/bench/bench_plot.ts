/**
 * A file benchmark's result as an SVG: a panel of bars per case, readable on light and on dark pages.
 *
 * @module
 */

import {
  type BenchReport,
  type CaseResult,
  type Entry,
  type HeartbeatResult,
  summarize,
} from "./bench_result.ts";
import { captionLines, caseTitle } from "./bench_table.ts";

const WIDTH = 960;
const COLUMNS = 2;
const MARGIN = 24;
const GAP = 32;
const PANEL_WIDTH = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS;
const TITLE_HEIGHT = 28;
const BAR_HEIGHT = 16;
const ROW_HEIGHT = 24;
/** Room for the names left of the bars. */
const NAME_WIDTH = 76;
/** Room for the figures right of the longest bar. */
const FIGURE_WIDTH = 172;
const CAPTION_LINE_HEIGHT = 16;
const HEADER_HEIGHT = 56;
const MB = 1_000_000;
/** Characters of a contestant's problem that fit beside its name. */
const MAX_PROBLEM_CHARS = 52;

/** Uses no network and would make everybody else's bar short. */
const NO_RIVAL = "cp";

const STYLE = `
svg { font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; font-size: 12px; }
.page { fill: #ffffff; }
text { fill: #1f2328; }
.head { font-size: 18px; font-weight: 600; }
.title { font-size: 14px; font-weight: 600; }
.quiet { fill: #59636e; }
.hb { font-weight: 600; }
.bar { fill: #afb8c1; }
.bar-hb { fill: #0969da; }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117; }
  text { fill: #f0f6fc; }
  .quiet { fill: #9198a1; }
  .bar { fill: #484f58; }
  .bar-hb { fill: #388bfd; }
}
`;

/** One bar or, where there is no figure, the reason. */
interface Row {
  name: string;
  /** Length of the bar against the panel's others; longer is better. */
  value?: number;
  /** What stands behind the bar, or instead of it. */
  text: string;
  highlighted: boolean;
}

interface Panel {
  title: string;
  /** The value whose bar takes all the room; bars of more are cut, and say so. */
  scale: number;
  rows: Row[];
}

/** The picture, as the text of an SVG file. */
export function reportSvg(report: BenchReport): string {
  const { heartbeats } = report;
  const panels = report.cases.map(casePanel);
  if (heartbeats !== undefined && !("problem" in heartbeats)) {
    panels.push(heartbeatPanel(heartbeats));
  }
  const { parts, bottom } = placePanels(panels);
  const captions = captionLines(report).map((line, at) =>
    text(line, { x: MARGIN, y: bottom + (at + 1) * CAPTION_LINE_HEIGHT, kind: "quiet" })
  );
  const height = bottom + captions.length * CAPTION_LINE_HEIGHT + MARGIN;
  const label = "Speed of hb and of other programs, one panel per case";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${label}">`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${WIDTH}" height="${height}" rx="8"/>`,
    text("Files: longer is faster", { x: MARGIN, y: MARGIN + 14, kind: "head" }),
    ...parts,
    ...captions,
    "</svg>\n",
  ].join("\n");
}

/** Two panels beside each other, each pair below the taller one of the pair before. */
function placePanels(panels: readonly Panel[]): { parts: string[]; bottom: number } {
  const parts: string[] = [];
  let top = HEADER_HEIGHT;
  for (let first = 0; first < panels.length; first += COLUMNS) {
    const pair = panels.slice(first, first + COLUMNS);
    parts.push(
      ...pair.flatMap((panel, at) => drawPanel(panel, MARGIN + at * (PANEL_WIDTH + GAP), top)),
    );
    const most = Math.max(...pair.map(({ rows }) => rows.length));
    top += TITLE_HEIGHT + most * ROW_HEIGHT + GAP / 2;
  }
  return { parts, bottom: top };
}

function drawPanel({ title, scale, rows }: Panel, left: number, top: number): string[] {
  const room = PANEL_WIDTH - NAME_WIDTH - FIGURE_WIDTH;
  const parts = [text(title, { x: left, y: top + 14, kind: "title" })];
  for (const [at, { name, value, text: content, highlighted }] of rows.entries()) {
    const y = top + TITLE_HEIGHT + at * ROW_HEIGHT;
    const baseline = y + BAR_HEIGHT - 4;
    const start = left + NAME_WIDTH;
    const width = value === undefined ? 0 : Math.min(room, Math.max(1, value / scale * room));
    const figure = value !== undefined && value > scale ? `${content} (bar cut)` : content;
    parts.push(text(name, { x: left, y: baseline, kind: highlighted ? "hb" : "" }));
    if (value !== undefined) {
      const kind = highlighted ? "bar-hb" : "bar";
      parts.push(
        `<rect class="${kind}" x="${start}" y="${y}" width="${
          width.toFixed(1)
        }" height="${BAR_HEIGHT}" rx="2"/>`,
      );
    }
    const x = value === undefined ? start : Number((start + width + 6).toFixed(1));
    const kind = value === undefined ? "quiet" : highlighted ? "hb" : "";
    parts.push(text(figure, { x, y: baseline, kind }));
  }
  return parts;
}

function casePanel(result: CaseResult): Panel {
  const rows: Row[] = result.leftOut === undefined
    ? result.entries.map((entry) => entryRow(result, entry))
    : [{ name: "left out", text: shortened(result.leftOut), highlighted: false }];
  const rivals = rows.filter(({ name }) => name !== NO_RIVAL).map(({ value }) => value ?? 0);
  const scale = Math.max(...rivals) || Infinity;
  return { title: caseTitle(result), scale, rows };
}

function entryRow({ files, bytes }: CaseResult, entry: Entry): Row {
  const name = entry.contestant;
  const highlighted = name.startsWith("hb-");
  const summary = summarize(entry);
  if (summary === undefined) {
    const problem = shortened(entry.problem ?? "not measured");
    return { name, text: problem, highlighted };
  }
  const { seconds } = summary;
  const speed = files === 1 || bytes / files > MB
    ? `${Math.round(bytes / MB / seconds)} MB/s`
    : `${Math.round(files / seconds)} files/s`;
  return { name, value: 1 / seconds, text: `${speed}, ${seconds.toFixed(2)} s`, highlighted };
}

/** Times are no speeds: here a longer bar is a longer time, and the title says so. */
function heartbeatPanel({ title, idle, busy, states }: HeartbeatResult): Panel {
  const row = (name: string, ms: number, highlighted = false): Row => ({
    name,
    value: ms,
    text: `${ms.toFixed(1)} ms`,
    highlighted,
  });
  const others = states.length === 0 ? "none" : shortened(states.join(", "));
  return {
    title: `${title} (shorter is better)`,
    scale: Math.max(idle.p99, busy.max) || Infinity,
    rows: [
      row("idle p50", idle.p50),
      row("idle p99", idle.p99),
      row("busy p50", busy.p50, true),
      row("busy p99", busy.p99, true),
      row("busy max", busy.max, true),
      { name: "not UP", text: others, highlighted: false },
    ],
  };
}

function shortened(problem: string): string {
  return problem.length <= MAX_PROBLEM_CHARS
    ? problem
    : `${problem.slice(0, MAX_PROBLEM_CHARS - 1)}…`;
}

function text(content: string, { x, y, kind }: { x: number; y: number; kind: string }): string {
  const attribute = kind === "" ? "" : ` class="${kind}"`;
  return `<text x="${x}" y="${y}"${attribute}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  // XML knows no control characters, and whatever a program said may hold them.
  return content.replace(/\p{Cc}/gu, " ").replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
