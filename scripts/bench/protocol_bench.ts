/**
 * What the protocol costs, each beside a baseline in the same run: read the ratios, not the figures.
 *
 * @module
 */

import {
  byteStream,
  ClassicTokeniser,
  decodeFrame,
  encodeFrame,
  FILE_CHUNK_BYTES,
  parseFrame,
  pumpBytes,
} from "../../protocol/mod.ts";

const heartbeat = encodeFrame("HEARTBEAT", {
  seq: 17,
  at: 1763847020123,
  vitals: { cpu: 0.07, mem: 0.41, disk: 0.63, up: 86400 },
}).subarray(0, -1);
const decoder = new TextDecoder("utf-8", { fatal: true });

Deno.bench("JSON.parse of a heartbeat's fields", { group: "frame", baseline: true }, () => {
  JSON.parse(decoder.decode(heartbeat.subarray("HEARTBEAT ".length)));
});
Deno.bench("decodeFrame(): verb, UTF-8, depth, JSON", { group: "frame" }, () => {
  decodeFrame(heartbeat);
});
Deno.bench("parseFrame(): the same and every field checked", { group: "frame" }, () => {
  parseFrame(heartbeat);
});

const FILE_BYTES = 64 * FILE_CHUNK_BYTES;
/** As much as one TLS record holds. */
const RECORD_BYTES = 16 * 1024;

/** A source that gives TLS-sized pieces out of memory. */
function records(): { read(into: Uint8Array): Promise<number> } {
  const record = new Uint8Array(RECORD_BYTES).fill(7);
  return {
    read(into) {
      const count = Math.min(into.length, RECORD_BYTES);
      into.set(record.subarray(0, count));
      return Promise.resolve(count);
    },
  };
}

Deno.bench("64 MiB by a plain read loop", { group: "bytes", baseline: true }, async () => {
  const source = records();
  const buffer = new Uint8Array(FILE_CHUNK_BYTES);
  for (let at = 0; at < FILE_BYTES;) at += await source.read(buffer);
});
Deno.bench("64 MiB by byteStream() and pumpBytes()", { group: "bytes" }, async () => {
  await pumpBytes(byteStream(records(), { length: FILE_BYTES }), () => Promise.resolve());
});
Deno.bench("64 MiB by byteStream() and pipeTo()", { group: "bytes" }, async () => {
  await byteStream(records(), { length: FILE_BYTES }).pipeTo(new WritableStream({ write() {} }));
});

const beats = new TextEncoder().encode("HEARTBEAT".repeat(400));

Deno.bench("400 classic heartbeats in one chunk", { group: "classic" }, () => {
  new ClassicTokeniser().push(beats);
});
