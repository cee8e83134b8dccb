/**
 * Detection time against false alarms as an SVG, readable on light and on dark pages.
 *
 * @module
 */

import { type AlarmsReport, overall, OWN_NAME } from "./alarms_report.ts";

const WIDTH = 960;
const HEIGHT = 480;
const MARGIN = { top: 72, right: 96, bottom: 64, left: 84 };
/** Lowest rate that has a place of its own on the axis; the line of 0 is below it. */
const LEAST_RATE = 0.01;
const RADIUS = 6;
const LABEL_HEIGHT = 18;
/** Width of a character of a name, on average. */
const CHARACTER_WIDTH = 7;

const STYLE = `
svg { font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; font-size: 12px; }
.page { fill: #ffffff; }
text { fill: #1f2328; }
.head { font-size: 18px; font-weight: 600; }
.quiet { fill: #59636e; }
.own { font-weight: 600; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.dot { fill: #8c959f; }
.dot-own { fill: #0969da; }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117; }
  text { fill: #f0f6fc; }
  .quiet { fill: #9198a1; }
  .grid { stroke: #30363d; }
  .dot { fill: #6e7681; }
  .dot-own { fill: #388bfd; }
}
`;

/** One detector in the picture. */
interface Dot {
  readonly name: string;
  readonly seconds: number;
  readonly rate: number;
}

/** The picture, as the text of an SVG file. */
export function alarmsSvg(report: AlarmsReport): string {
  const dots = report.rules.flatMap((rule): Dot[] => {
    const { silent, falseAlarmsPerMachineMonth: rate } = overall(rule);
    return silent === undefined || !Number.isFinite(silent.meanSeconds)
      ? []
      : [{ name: rule.name, seconds: silent.meanSeconds, rate }];
  });
  const scale = scaleOf(dots);
  const label = "Detection time against false alarms, one dot for each rule";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${label}">`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${WIDTH}" height="${HEIGHT}" rx="8"/>`,
    text("A machine falls silent: how soon, and how often for nothing", {
      x: 24,
      y: 34,
      kind: "head",
    }),
    text("Left is sooner, down is quieter. Means over simulated LAN, Wi-Fi, 4G and VM pauses.", {
      x: 24,
      y: 54,
      kind: "quiet",
    }),
    ...axes(scale),
    ...drawDots(dots, scale),
    "</svg>\n",
  ].join("\n");
}

interface Scale {
  readonly x: (seconds: number) => number;
  readonly y: (rate: number) => number;
  readonly seconds: readonly number[];
  readonly rates: readonly number[];
}

function scaleOf(dots: readonly Dot[]): Scale {
  const most = Math.max(20, ...dots.map(({ seconds }) => seconds));
  const highest = 10 ** Math.ceil(Math.log10(Math.max(1, ...dots.map(({ rate }) => rate))));
  const right = WIDTH - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  const least = 10;
  const top = 10 ** (Math.log10(most) + 0.05);
  const decades = Math.log10(highest / LEAST_RATE) + 1;
  const decade = (bottom - MARGIN.top) / decades;
  return {
    x: (seconds) =>
      MARGIN.left +
      (right - MARGIN.left) * Math.log10(Math.max(seconds, least) / least) /
        Math.log10(top / least),
    y: (rate) =>
      rate === 0
        ? bottom
        : bottom - decade * (1 + Math.log10(Math.max(rate, LEAST_RATE) / LEAST_RATE)),
    seconds: [10, 20, 30, 60, 120, 300, 600].filter((seconds) => seconds <= top),
    rates: [
      0,
      ...Array.from(
        { length: Math.round(Math.log10(highest / LEAST_RATE)) + 1 },
        (_, at) => LEAST_RATE * 10 ** at,
      ),
    ],
  };
}

function axes({ x, y, seconds, rates }: Scale): string[] {
  const right = WIDTH - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  return [
    ...rates.flatMap((rate) => [
      line(MARGIN.left, y(rate), right, y(rate)),
      text(rate === 0 ? "0" : String(Number(rate.toPrecision(1))), {
        x: MARGIN.left - 8,
        y: y(rate) + 4,
        kind: "quiet",
        anchor: "end",
      }),
    ]),
    ...seconds.flatMap((time) => [
      line(x(time), MARGIN.top, x(time), bottom),
      text(`${time} s`, { x: x(time), y: bottom + 18, kind: "quiet", anchor: "middle" }),
    ]),
    text("mean time from the fault to the notice", {
      x: (MARGIN.left + right) / 2,
      y: HEIGHT - 20,
      kind: "",
      anchor: "middle",
    }),
    `<text transform="translate(26 ${
      (MARGIN.top + bottom) / 2
    }) rotate(-90)" text-anchor="middle">false alarms per machine-month</text>`,
  ];
}

/** Names stand above their dots, or below those in the upper half, and make room for each other. */
function drawDots(dots: readonly Dot[], { x, y }: Scale): string[] {
  const middle = (MARGIN.top + HEIGHT - MARGIN.bottom) / 2;
  const taken: { x: number; y: number; width: number }[] = [];
  return dots.toSorted((a, b) => a.seconds - b.seconds).flatMap(({ name, seconds, rate }) => {
    const at = { x: x(seconds), y: y(rate) };
    const step = at.y < middle ? LABEL_HEIGHT : -LABEL_HEIGHT;
    const width = name.length * CHARACTER_WIDTH;
    const inside = MARGIN.left + width / 2 + RADIUS;
    const label = { x: Math.max(at.x, inside), y: at.y + step + 4, width };
    const isTaken = () =>
      taken.some((other) =>
        Math.abs(other.y - label.y) < LABEL_HEIGHT &&
        Math.abs(other.x - label.x) < (other.width + label.width) / 2
      );
    while (isTaken()) label.y += step;
    taken.push(label);
    const own = name === OWN_NAME;
    const [cx, cy] = [at.x.toFixed(1), at.y.toFixed(1)];
    return [
      line(at.x, at.y, at.x, label.y - 4 - step / 3),
      `<circle class="${own ? "dot-own" : "dot"}" cx="${cx}" cy="${cy}" r="${RADIUS}"/>`,
      text(name, { x: label.x, y: label.y, kind: own ? "own" : "", anchor: "middle" }),
    ];
  });
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map((value) => value.toFixed(1));
  return `<line class="grid" x1="${a}" y1="${b}" x2="${c}" y2="${d}"/>`;
}

function text(
  content: string,
  { x, y, kind, anchor }: { x: number; y: number; kind: string; anchor?: "middle" | "end" },
): string {
  const parts = [
    `x="${x.toFixed(1)}" y="${y.toFixed(1)}"`,
    ...(kind === "" ? [] : [`class="${kind}"`]),
    ...(anchor === undefined ? [] : [`text-anchor="${anchor}"`]),
  ];
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text ${parts.join(" ")}>${escaped}</text>`;
}
