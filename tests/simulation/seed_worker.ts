/**
 * A thread that plays one seed after the other; each message names a seed and the size of its world.
 *
 * @module
 */

import { runSeed, type WorldSize } from "./seed_result.ts";

/** The thread's side of the messages. */
interface Port {
  onmessage: ((event: MessageEvent<{ seed: number } & WorldSize>) => void) | null;
  postMessage(message: unknown): void;
}

const port = globalThis as unknown as Port;
port.onmessage = ({ data: { seed, ...size } }) => port.postMessage(runSeed(seed, size));
