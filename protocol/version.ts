/**
 * Which protocol version two programs speak with each other.
 *
 * @module
 */

import { VERSION_MAX, VERSION_MIN } from "./limits.ts";

/** The lowest and the highest version that a program speaks, both included. */
export type VersionRange = readonly [lowest: number, highest: number];

/** The range of this program. */
export const OWN_VERSIONS: VersionRange = [VERSION_MIN, VERSION_MAX];

/** The highest version that both speak, or undefined when there is none. */
export function commonVersion(one: VersionRange, other: VersionRange): number | undefined {
  const highest = Math.min(one[1], other[1]);
  return highest >= Math.max(one[0], other[0]) ? highest : undefined;
}
