/**
 * The last step of making a file durable: its name.
 *
 * @module
 */

/**
 * Makes the names in a directory durable: what was created in it, renamed or removed survives a power cut.
 * Does nothing on Windows, where a directory cannot be flushed and NTFS journals its names by itself.
 */
export async function syncDirectory(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using directory = await Deno.open(path);
  await directory.sync();
}

/** The same for a thread on which nothing else waits: only the flush itself waits in the background. */
export async function syncDirectoryPromptly(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using directory = Deno.openSync(path);
  await directory.sync();
}
