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
import type { UploadProgress } from "./upload_progress.ts";

/** Shortest time between two drawings, in milliseconds. */
export const REDRAW_MS = 100;
/** Time without a byte after which the line says so, in milliseconds. */
export const STALLED_MS = 5_000;
/** Time over which the speed is smoothed: what is older counts for little, in milliseconds. */
const SPEED_WINDOW_MS = 5_000;
/** Longest file name that is shown whole, in characters. */
const MAX_NAME_CHARS = 24;
/** Takes the line off the screen. */
const ERASE = "\r\x1b[K";

/** Measures the speed of one upload and puts it into words. */
export class ProgressText {
  #current: string | undefined;
  #last = { at: 0, sent: 0 };
  #movedAt = 0;
  /** Bytes per millisecond, smoothed. */
  #speed: number | undefined;

  /** The line for `progress` at the monotonic time `now`. */
  render(progress: UploadProgress, now: number): string {
    this.#measure(progress, now);
    const { sent, size, phase, files } = progress;
    const percent = size === 0 ? 100 : Math.floor(sent / size * 100);
    const name = visible(basename(progress.path));
    const shown = name.length > MAX_NAME_CHARS ? `${name.slice(0, MAX_NAME_CHARS)}…` : name;
    const count = files === undefined ? "" : `  ${files.done} of ${files.total} files`;
    const head = `${shown}  ${phase}  ${percent} %  ${formatSize(sent)} of ${formatSize(size)}`;
    const isMoving = phase === "sending" || phase === "checking";
    return isMoving ? `${head}${count}  ${this.#pace(progress, now)}` : `${head}${count}`;
  }

  #measure({ path, phase, sent }: UploadProgress, now: number): void {
    // What was held already, or starting over, is no speed.
    const current = `${phase} ${path}`;
    if (current !== this.#current || sent < this.#last.sent) {
      this.#current = current;
      this.#speed = undefined;
      this.#last = { at: now, sent };
      this.#movedAt = now;
    }
    const elapsed = now - this.#last.at;
    if (sent !== this.#last.sent) this.#movedAt = now;
    if (elapsed <= 0) return;
    const speed = (sent - this.#last.sent) / elapsed;
    const weight = 1 - Math.exp(-elapsed / SPEED_WINDOW_MS);
    this.#speed = this.#speed === undefined ? speed : this.#speed + (speed - this.#speed) * weight;
    this.#last = { at: now, sent };
  }

  #pace({ sent, size }: UploadProgress, now: number): string {
    if (now - this.#movedAt >= STALLED_MS) return "stalled";
    const speed = this.#speed ?? 0;
    if (speed <= 0) return "";
    return `${formatSize(Math.round(speed * 1000))}/s  ${
      formatDuration((size - sent) / speed)
    } left`;
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
