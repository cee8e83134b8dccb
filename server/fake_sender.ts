/**
 * What a sender of files says to a {@linkcode FakeServer}, for tests of what the server answers.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Frame } from "../protocol/mod.ts";
import type { FakePeer } from "./fake_peer.ts";
import { FakeServer, type FakeServerOptions } from "./fake_server.ts";

/** One mebibyte, in bytes. */
export const MIB = 1024 * 1024;

/** The id of a test's transfer. */
export function uuid(number: number): string {
  return `019aa8d0-0000-7000-8000-${String(number).padStart(12, "0")}`;
}

/** In lower-case hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Bytes that differ from place to place. */
export function pattern(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).map((_, at) => at * 31 + (at >> 8));
}

/** The offer of a file. */
export function offer(number: number, path: unknown, size: unknown): Frame {
  return { verb: "FILE", id: uuid(number), path, size };
}

/** The end of a file. */
export function sum(number: number, bytes: Uint8Array, digest = sha256(bytes)): Frame {
  return { verb: "SUM", id: uuid(number), bytes: bytes.length, sha256: digest };
}

/** Answers the proposal of an offset with the digest of the first bytes of `file`. */
export function prefix(number: number, offset: number, file: Uint8Array): Frame {
  return { verb: "PREFIX", id: uuid(number), offset, sha256: sha256(file.subarray(0, offset)) };
}

/** Offers a file and sends it as it must be sent. */
export async function send(
  peer: FakePeer,
  number: number,
  { path, bytes }: { path: string[]; bytes: Uint8Array },
): Promise<void> {
  peer.send(offer(number, path, bytes.length));
  assertEquals(await peer.expect("READY"), { verb: "READY", id: uuid(number), offset: 0 });
  await peer.raw(bytes);
  peer.send(sum(number, bytes));
}

/** Offers a file, sends only its first bytes, and is gone; resolves when the server has kept what came. */
export async function sendPart(
  peer: FakePeer,
  number: number,
  { path, bytes, length }: { path: string[]; bytes: Uint8Array; length: number },
): Promise<void> {
  peer.send(offer(number, path, bytes.length));
  await peer.expect("READY");
  await peer.raw(bytes.subarray(0, length));
  await peer.finish();
  await peer.ended;
}

/** A server with one client's data connection. */
export async function begin(options: FakeServerOptions = {}) {
  const server = await FakeServer.start(options);
  const till = await server.enrol("till-3");
  const dial = () => server.connect(till, { role: "data" });
  const peer = await dial();
  const read = (name: string) => Deno.readFile(join(server.directory, "till-3", name));
  const close = () => server[Symbol.asyncDispose]();
  return { server, till, peer, dial, read, [Symbol.asyncDispose]: close };
}
