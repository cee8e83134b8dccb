/**
 * Writes text to stdout or stderr of a script.
 *
 * @module
 */

/** Writes all of `text` to `to`, such as `Deno.stdout`, before it returns. */
export function writeText(to: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(to.writeSync(bytes));
}
