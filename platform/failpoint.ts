/**
 * Named places at which a test lets the program die, as `kill -9` would, or stand still, as on a slow disk. Unarmed,
 * which is always but in such tests, a place costs one comparison.
 *
 * @module
 */

/** The failpoint that is armed. */
interface ArmedFailpoint {
  readonly spec: string;
  readonly name: string;
  readonly crash: (name: string) => never;
  /** Passages until it crashes; 0 for one that only sleeps. */
  left: number;
  /** How long every passage takes, in milliseconds. */
  readonly sleepMs: number;
}

const SPEC = /^([a-z][a-z0-9_]{0,63})(?::([1-9][0-9]{0,8})|=sleep:([1-9][0-9]{0,4}))?$/;

let armed: ArmedFailpoint | undefined;

/**
 * Arms `spec`: the name of a failpoint, and after a colon at which passage it crashes (the first without
 * it), or `=sleep:` and for how many milliseconds each passage blocks its thread. `crash` must end the process at
 * once; whoever may do that passes it in.
 *
 * @throws {TypeError} where `spec` is none of these.
 */
export function armFailpoint(spec: string, crash: (name: string) => never): void {
  const [, name, count, sleep] = SPEC.exec(spec) ?? [];
  if (name === undefined) {
    throw new TypeError(
      `Cannot arm failpoint as "name", "name:count" or "name=sleep:milliseconds": it is "${spec}"`,
    );
  }
  const left = sleep === undefined ? Number(count ?? 1) : 0;
  armed = { spec, name, crash, left, sleepMs: Number(sleep ?? 0) };
}

/** Disarms; for tests. */
export function disarmFailpoint(): void {
  armed = undefined;
}

/** What is armed, to be handed to a worker, which counts passages of its own; undefined when nothing is. */
export function armedFailpoint(): { spec: string; crash: (name: string) => never } | undefined {
  return armed;
}

/** Does not return when this is the failpoint that is armed, and this its passage; or only after its time. */
export function failpoint(name: string): void {
  if (armed === undefined || armed.name !== name) return;
  if (armed.sleepMs > 0) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, armed.sleepMs);
  } else if (--armed.left === 0) armed.crash(name);
}
