/**
 * The disks that the server writes to: one count of promised space for each, however many of its folders lie
 * there.
 *
 * @module
 */

import { DiskSpace, type DiskSpaceOptions } from "../platform/disk_space.ts";

/** Settings of {@linkcode Disks}. */
export interface DisksOptions extends Pick<DiskSpaceOptions, "minFreeBytes" | "statfs"> {
  /**
   * What tells disks apart: equal for two folders of one disk, null where the system does not say.
   * @default the device number
   */
  deviceOf?: (directory: string) => Promise<number | null>;
}

/** Gives every folder the count of its disk. */
export class Disks {
  readonly #options: DisksOptions;
  readonly #spaces = new Map<number | string, DiskSpace>();

  /** Touches nothing. */
  constructor(options: DisksOptions = {}) {
    this.#options = options;
  }

  /** The space of the disk on which a folder lies that exists; rejects when it cannot be found out. */
  async of(directory: string): Promise<DiskSpace> {
    const { deviceOf = deviceNumber, minFreeBytes, statfs } = this.#options;
    const key = await deviceOf(directory) ?? directory;
    const known = this.#spaces.get(key);
    if (known !== undefined) return known;
    const space = new DiskSpace({
      directory,
      minFreeBytes,
      ...(statfs === undefined ? {} : { statfs }),
    });
    this.#spaces.set(key, space);
    return space;
  }
}

async function deviceNumber(directory: string): Promise<number | null> {
  const { dev } = await Deno.stat(directory);
  return dev === 0 ? null : dev; // Where there is no such number it is 0.
}
