/**
 * A disk that is soon full: a file system of a few MiB in memory. Mounting one takes root on Linux.
 *
 * @module
 */

import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory } from "./temporary_directory.ts";

/** A mounted file system; disposing of it unmounts it. */
export class SmallDisk implements AsyncDisposable {
  readonly path: string;
  readonly #unmount: () => Promise<void>;

  private constructor(path: string, unmount: () => Promise<void>) {
    this.path = path;
    this.#unmount = unmount;
  }

  /** Mounts one with so many MiB. */
  static async mount(mebibytes: number): Promise<SmallDisk> {
    await using stack = new AsyncDisposableStack();
    const directory = stack.use(await temporaryDirectory());
    const path = join(directory.path, "disk");
    await Deno.mkdir(path);
    await run("mount", "-t", "tmpfs", "-o", `size=${mebibytes}m`, "hb-test", path);
    // Lazily, as a program that a failed test has left behind may still be in it.
    stack.defer(() => run("umount", "--lazy", path));
    const moved = stack.move();
    return new SmallDisk(path, () => moved.disposeAsync());
  }

  /** Bytes that are free. */
  async free(): Promise<number> {
    const { bavail, bsize } = await statfs(this.path);
    return bavail * bsize;
  }

  /** Fills it up but for so many bytes, with a file of that name; the function that comes back makes room again. */
  async fill(
    { leaving, name = "filler" }: { leaving: number; name?: string },
  ): Promise<() => Promise<void>> {
    const path = join(this.path, name);
    const chunk = new Uint8Array(64 * 1024);
    {
      using file = await Deno.open(path, { write: true, createNew: true });
      while (await this.free() > leaving) {
        await file.write(chunk.subarray(0, Math.max(4096, await this.free() - leaving)));
      }
    }
    return () => Deno.remove(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unmount();
  }
}

/** Why there is no small disk here; undefined when there is. */
export const NO_SMALL_DISK: string | undefined = await whyNone();

/** A test that needs a small disk; without one it is shown as ignored, with the reason in its name. */
export function diskTest(name: string, fn: () => Promise<void>): void {
  const ignore = NO_SMALL_DISK !== undefined;
  Deno.test({ name: ignore ? `${name} (${NO_SMALL_DISK})` : name, ignore, fn });
}

async function whyNone(): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return "needs Linux";
  if (Deno.uid() !== 0) return "needs root, to mount a small disk";
  try {
    await using _disk = await SmallDisk.mount(1);
    return undefined;
  } catch {
    return "needs the right to mount a small disk";
  }
}

async function run(command: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(command, { args }).output();
  if (code === 0) return;
  throw new Error(`Cannot ${command} ${args.at(-1)}: ${new TextDecoder().decode(stderr)}`);
}
