/**
 * One line on a terminal that shows how far a file is, redrawn at most ten times a second.
 *
 * @module
 */

import { basename } from "node:path";
import type { Clock, Timer } from "../platform/clock.ts";
import { displayWidth } from "../platform/display_width.ts";
import { formatDuration, formatSize } from "../platform/quantity.ts";
import type { Terminal } from "../platform/terminal.ts";
import { visible } from "../platform/visible_text.ts";
import type { UploadProgress } from "./upload.ts";

/** Shortest time between two drawings, in milliseconds. */
export const REDRAW_MS = 100;
/** Time without a byte after which the line says so, in milliseconds. */
export const STALLED_MS = 5_000;
/** Time over which the speed is measured, in milliseconds. */
const SPEED_WINDOW_MS = 5_000;
/** Longest file name that is shown whole, in characters. */
const MAX_NAME_CHARS = 24;
/** Takes the line off the screen. */
const ERASE = "\r\x1b[K";

/** Measures one file's speed and puts it into words. */
export class ProgressText {
  #path: string | undefined;
  #samples: { at: number; sent: number }[] = [];
  #movedAt = 0;

  /** The line for `progress` at the monotonic time `now`. */
  render(progress: UploadProgress, now: number): string {
    if (progress.path !== this.#path) {
      this.#path = progress.path;
      this.#samples = [];
      this.#movedAt = now;
    }
    const { sent, size, phase } = progress;
    if (sent !== this.#samples.at(-1)?.sent) this.#movedAt = now;
    this.#samples.push({ at: now, sent });
    while ((this.#samples[0]?.at ?? now) < now - SPEED_WINDOW_MS) this.#samples.shift();
    const percent = size === 0 ? 100 : Math.floor(sent / size * 100);
    const name = visible(basename(progress.path));
    const shown = name.length > MAX_NAME_CHARS ? `${name.slice(0, MAX_NAME_CHARS)}…` : name;
    const head = `${shown}  ${phase}  ${percent} %  ${formatSize(sent)} of ${formatSize(size)}`;
    return phase === "sending" ? `${head}  ${this.#pace(progress, now)}` : head;
  }

  #pace({ sent, size }: UploadProgress, now: number): string {
    if (now - this.#movedAt >= STALLED_MS) return "stalled";
    const first = this.#samples[0];
    if (first === undefined || now <= first.at || sent <= first.sent) return "";
    const bytesPerMs = (sent - first.sent) / (now - first.at);
    const left = formatDuration((size - sent) / bytesPerMs);
    return `${formatSize(Math.round(bytesPerMs * 1000))}/s  ${left} left`;
  }
}

/** Shows `progress()` below everything else that is printed, until disposed of; nothing without a terminal. */
export function showProgress(
  terminal: Terminal,
  { clock, progress }: { clock: Clock; progress: () => UploadProgress | undefined },
): Disposable {
  if (!terminal.isStderrTty) return { [Symbol.dispose]: () => {} };
  const text = new ProgressText();
  const current = () => {
    const now = progress();
    return now === undefined ? "" : fit(text.render(now, clock.now()), terminal.columns - 1);
  };
  let drawn = "";
  const draw = () => {
    const line = current();
    if (line !== drawn) terminal.raw(`${ERASE}${line}`);
    drawn = line;
  };
  const footer = terminal.attachFooter({
    hide: () => ERASE,
    show: () => {
      drawn = "";
      draw();
    },
  });
  let timer: Timer | undefined;
  const redraw = () => {
    draw();
    timer = clock.after(REDRAW_MS, redraw);
  };
  redraw();
  return {
    [Symbol.dispose]: () => {
      timer?.cancel();
      footer[Symbol.dispose]();
      terminal.raw(ERASE);
    },
  };
}

function fit(line: string, columns: number): string {
  let shown = line;
  while (displayWidth(shown) > columns) shown = [...shown].slice(0, -1).join("");
  return shown;
}
