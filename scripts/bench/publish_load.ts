/**
 * The load of the message benchmark: each publisher keeps a number of messages under way, and every time from
 * sending to acknowledgement is noted.
 *
 * @module
 */

import { sleep, systemClock } from "../../platform/clock.ts";
import type { Publisher } from "./publisher.ts";

/** Longest wait for the acknowledgements of what is under way at the end, in milliseconds. */
const LAST_ACKNOWLEDGEMENTS_MS = 15_000;

/** How {@linkcode publishLoad} runs. */
export interface PublishLoadOptions {
  readonly text: string;
  /** Messages that each publisher has under way. */
  readonly window: number;
  /** Time before anything is noted, in milliseconds. */
  readonly warmUpMs: number;
  /** Time of the measurement, in milliseconds. */
  readonly measureMs: number;
  /** Called when the measurement begins. */
  readonly onMeasure?: () => Promise<void>;
  /** Called when it ends, before the last acknowledgements. */
  readonly onMeasured?: () => Promise<void>;
}

/** What was measured. */
export interface PublishLoadResult {
  /** Time of the measurement as it was, in seconds. */
  readonly seconds: number;
  /** Messages that were acknowledged in that time. */
  readonly acknowledged: number;
  /** From sending to acknowledgement, of every message sent in that time, in milliseconds. */
  readonly times: readonly number[];
}

/** Runs the load; rejects when a publisher fails or acknowledgements do not come. */
export async function publishLoad(
  publishers: readonly Publisher[],
  options: PublishLoadOptions,
): Promise<PublishLoadResult> {
  const failed = Promise.race(publishers.map((publisher) => publisher.failed));
  const ended = new AbortController();
  try {
    return await Promise.race([run(publishers, options, ended.signal), failed]);
  } finally {
    ended.abort();
  }
}

async function run(
  publishers: readonly Publisher[],
  { text, window, warmUpMs, measureMs, onMeasure, onMeasured }: PublishLoadOptions,
  signal: AbortSignal,
): Promise<PublishLoadResult> {
  const times: number[] = [];
  let [isSending, isMeasuring, acknowledged, underWay] = [true, false, 0, 0];
  let wake = () => {};
  const publish = (publisher: Publisher) => {
    const [sentAt, isNoted] = [performance.now(), isMeasuring];
    underWay++;
    publisher.publish(text, () => {
      underWay--;
      if (isMeasuring) acknowledged++;
      if (isNoted) times.push(performance.now() - sentAt);
      if (isSending) publish(publisher);
      else if (underWay === 0) wake();
    });
  };
  for (const publisher of publishers) {
    for (let count = 0; count < window; count++) publish(publisher);
  }
  await sleep(systemClock, warmUpMs, signal);
  await onMeasure?.();
  isMeasuring = true;
  const startedAt = performance.now();
  await sleep(systemClock, measureMs, signal);
  isMeasuring = false;
  const seconds = (performance.now() - startedAt) / 1000;
  await onMeasured?.();
  isSending = false;
  await drained();
  return { seconds, acknowledged, times };

  async function drained(): Promise<void> {
    if (underWay === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    wake = resolve;
    const patience = sleep(systemClock, LAST_ACKNOWLEDGEMENTS_MS, signal);
    await Promise.race([promise, patience]);
    if (underWay > 0) {
      throw new Error(`Cannot see the last acknowledgements: ${underWay} are missing`);
    }
  }
}
