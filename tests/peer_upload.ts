/**
 * How a scripted peer sends a file as it should be sent, for tests in which something else is wrong.
 *
 * @module
 */

import type { FrameOf } from "../protocol/mod.ts";
import type { Peer } from "./peer.ts";
import { sha256 } from "./sample_file.ts";

/** A file that a peer sends. */
export interface PeerFile {
  id: string;
  path: string[];
  bytes: Uint8Array<ArrayBuffer>;
  manifest?: string;
}

/** What the server says when it is asked to take a file. */
export type OfferAnswer = FrameOf<"READY"> | FrameOf<"REJECT"> | FrameOf<"STORED">;

/** Offers a file and proves what the server has of it; resolves once the server knows what it wants. */
export async function offerFile(peer: Peer, file: PeerFile): Promise<OfferAnswer> {
  const { id, path, bytes, manifest } = file;
  const more = manifest === undefined ? {} : { manifest };
  peer.send({ verb: "FILE", id, path, size: bytes.length, ...more });
  let answer = await peer.next("READY", "REJECT", "STORED");
  let proven = 0;
  while (answer.verb === "READY" && answer.offset > 0 && answer.offset !== proven) {
    proven = answer.offset;
    peer.send({ verb: "PREFIX", id, offset: proven, sha256: sha256(bytes.subarray(0, proven)) });
    answer = await peer.next("READY", "REJECT", "STORED");
  }
  return answer;
}

/** Sends a whole file, from where the server wants it; resolves with its last word. */
export async function sendFile(
  peer: Peer,
  file: PeerFile,
): Promise<FrameOf<"STORED"> | FrameOf<"REJECT">> {
  const answer = await offerFile(peer, file);
  return answer.verb === "READY" ? await sendRest(peer, file, answer.offset) : answer;
}

/** Sends the bytes from `offset` on and their digest; resolves with the server's last word. */
export async function sendRest(
  peer: Peer,
  { id, bytes }: PeerFile,
  offset: number,
): Promise<FrameOf<"STORED"> | FrameOf<"REJECT">> {
  await peer.sendBytes(bytes.subarray(offset));
  peer.send({ verb: "SUM", id, bytes: bytes.length, sha256: sha256(bytes) });
  return await peer.next("STORED", "REJECT");
}

/** An answer in short, for comparing: `READY 700`, `REJECT busy` or `STORED a (2).txt`. */
export function said(answer: OfferAnswer | FrameOf<"REFUSE">): string {
  switch (answer.verb) {
    case "READY":
      return `READY ${answer.offset}`;
    case "REJECT":
    case "REFUSE":
      return `${answer.verb} ${answer.code}`;
    case "STORED":
      return `STORED ${answer.as}`;
  }
}
