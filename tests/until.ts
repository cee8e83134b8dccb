/**
 * Waits for things that other processes do. For these tests only: code of the product takes its time from a
 * clock and is tested without waiting.
 *
 * @module
 */

/** Longest wait unless a test says otherwise, in milliseconds: a busy machine starts programs slowly. */
export const PATIENCE_MS = 30_000;

/** Settings of {@linkcode until}. */
export interface UntilOptions {
  /** What is waited for, to follow "Cannot see"; called when it did not come. */
  what: string | (() => string);
  /** @default {PATIENCE_MS} */
  timeoutMs?: number;
  /** @default {50} */
  everyMs?: number;
}

/** Resolves with the first value of `condition` that is neither undefined nor false; rejects after the time. */
export async function until<T>(
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  { what, timeoutMs = PATIENCE_MS, everyMs = 50 }: UntilOptions,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  while (true) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) {
      throw new Error(
        `Cannot see ${typeof what === "string" ? what : what()}: ${timeoutMs} ms are up`,
      );
    }
    await pause(everyMs);
  }
}

/** Waits for a time. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resolves as `work` does, or rejects when it takes longer than the time. */
export async function within<T>(
  work: Promise<T>,
  { what, timeoutMs = PATIENCE_MS }: { what: string; timeoutMs?: number },
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`Cannot see ${what}: ${timeoutMs} ms are up`);
    timer = setTimeout(() => reject(error), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
