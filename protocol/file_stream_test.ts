import { assertEquals, assertRejects } from "@std/assert";
import type { ByteSource } from "./byte_reader.ts";
import { Connection } from "./connection.ts";
import { ProtocolError } from "./error.ts";
import { fakeDuplexPair } from "./fake_duplex.ts";
import { byteStream, pumpBytes } from "./file_stream.ts";
import { FILE_CHUNK_BYTES } from "./limits.ts";

const RECORD_BYTES = 16 * 1024;

interface PatternSource extends ByteSource {
  /** How many bytes were taken. */
  taken: number;
  /** The first byte of each array to read into, as it was before the read. */
  stale: number[];
}

/** Gives `length` bytes of a pattern, at most `most` at once, then the end. */
function patternSource(length: number, most = Infinity): PatternSource {
  const source: PatternSource = {
    taken: 0,
    stale: [],
    async read(into) {
      await Promise.resolve();
      source.stale.push(into[0] ?? -1);
      const count = Math.min(into.length, most, length - source.taken);
      if (count === 0) return null;
      into.set(pattern(source.taken, count));
      source.taken += count;
      return count;
    },
  };
  return source;
}

/** Bytes that differ between any two chunks. */
function pattern(start: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (start + at) % 251;
  return bytes;
}

/** Whether two byte strings are equal; quicker than a comparison that can print a difference. */
function same(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

async function pumped(source: ByteSource, length: number): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  const total = await pumpBytes(byteStream(source, { length }), (chunk) => {
    chunks.push(chunk.slice());
    return Promise.resolve();
  });
  assertEquals(total, length);
  return chunks;
}

function joined(chunks: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

const SIZES: [name: string, length: number, chunks: number][] = [
  ["0 bytes", 0, 0],
  ["1 byte", 1, 1],
  ["chunk - 1", FILE_CHUNK_BYTES - 1, 1],
  ["chunk", FILE_CHUNK_BYTES, 1],
  ["chunk + 1", FILE_CHUNK_BYTES + 1, 2],
  ["3 chunks + 7", 3 * FILE_CHUNK_BYTES + 7, 4],
];

for (const [name, length, chunks] of SIZES) {
  Deno.test(`pumpBytes() moves a byteStream() exactly: ${name}`, async () => {
    const expected = pattern(0, length);
    for (const most of [Infinity, RECORD_BYTES, 1_000_003]) {
      const parts = await pumped(patternSource(length, most), length);
      assertEquals(parts.length, chunks);
      assertEquals(same(joined(parts), expected), true);
    }
  });

  Deno.test(`byteStream() reads not one byte further than its length: ${name}`, async () => {
    for (const most of [Infinity, RECORD_BYTES]) {
      const source = patternSource(length + 5, most);
      assertEquals(same(joined(await pumped(source, length)), pattern(0, length)), true);
      assertEquals(source.taken, length);
    }
  });

  if (length > 0) {
    Deno.test(`byteStream() fails as truncated after handing on what came: ${name} less 1`, async () => {
      const parts: Uint8Array[] = [];
      const pumping = pumpBytes(
        byteStream(patternSource(length - 1, RECORD_BYTES), { length }),
        (chunk) => {
          parts.push(chunk.slice());
          return Promise.resolve();
        },
      );
      const { code } = await assertRejects(() => pumping, ProtocolError);
      assertEquals(code, "truncated");
      assertEquals(same(joined(parts), pattern(0, length - 1)), true);
    });
  }
}

Deno.test("byteStream() gathers short reads into full chunks", async () => {
  const length = 2 * FILE_CHUNK_BYTES;
  const parts = await pumped(patternSource(length, RECORD_BYTES - 1), length);
  assertEquals(parts.map((part) => part.length), [FILE_CHUNK_BYTES, FILE_CHUNK_BYTES]);
});

Deno.test("byteStream() serves a plain reader as well as one with its own buffers", async () => {
  const length = FILE_CHUNK_BYTES + 9;
  const parts: Uint8Array[] = [];
  for await (const chunk of byteStream(patternSource(length, RECORD_BYTES), { length })) {
    parts.push(chunk);
  }
  assertEquals(same(joined(parts), pattern(0, length)), true);
});

Deno.test("byteStream() reads nothing before it is asked", async () => {
  const source = patternSource(10);
  const stream = byteStream(source, { length: 10 });
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  assertEquals(source.taken, 0);
  await stream.cancel();
});

Deno.test("byteStream() passes on the source's own error", async () => {
  const source: ByteSource = {
    read: () => Promise.reject(new Deno.errors.ConnectionReset("reset")),
  };
  const pumping = pumpBytes(byteStream(source, { length: 1 }), () => Promise.resolve());
  await assertRejects(() => pumping, Deno.errors.ConnectionReset);
});

Deno.test("pumpBytes() reads the next chunk while one is being written, and no more than that", async () => {
  const length = 4 * FILE_CHUNK_BYTES;
  const source = patternSource(length);
  const chunks: number[] = [];
  await pumpBytes(byteStream(source, { length }), async (chunk) => {
    const number = chunks.push(chunk.length);
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
    assertEquals(source.taken, Math.min(length, (number + 1) * FILE_CHUNK_BYTES));
  });
  assertEquals(chunks.length, 4);
});

Deno.test("pumpBytes() leaves a chunk alone until its write has resolved", async () => {
  const length = 4 * FILE_CHUNK_BYTES;
  let at = 0;
  await pumpBytes(byteStream(patternSource(length), { length }), async (chunk) => {
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
    assertEquals(same(chunk, pattern(at, chunk.length)), true);
    at += chunk.length;
  });
});

Deno.test("pumpBytes() serves a whole file with two buffers", async () => {
  const chunks = 6;
  const length = chunks * FILE_CHUNK_BYTES;
  const source = patternSource(length);
  let number = 0;
  await pumpBytes(byteStream(source, { length }), (chunk) => {
    chunk[0] = 252 + number++ % 2; // No byte of the pattern: whoever sees it again sees the same memory.
    return Promise.resolve();
  });
  assertEquals(source.stale, [0, 0, 252, 253, 252, 253]);
});

Deno.test("pumpBytes() cancels the stream and rejects with the error of write()", async () => {
  const full = new Error("no space");
  let cancelled: unknown;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    type: "bytes",
    pull(controller) {
      controller.enqueue(new Uint8Array(10));
    },
    cancel(reason) {
      cancelled = reason;
    },
  });
  let writes = 0;
  const pumping = pumpBytes(
    stream,
    () => ++writes === 2 ? Promise.reject(full) : Promise.resolve(),
  );
  assertEquals(await assertRejects(() => pumping), full);
  assertEquals([cancelled, writes], [full, 2]);
});

Deno.test("pumpBytes() leaves no read behind when write() fails while the source has nothing", async () => {
  const [here, there] = fakeDuplexPair();
  using connection = new Connection(here);
  await there.write(new Uint8Array(10));
  const length = 2 * FILE_CHUNK_BYTES;
  let first = true;
  const source: ByteSource = {
    read(into) {
      if (!first) return connection.reader.read(into);
      first = false;
      return Promise.resolve(into.length);
    },
  };
  const full = new Error("no space");
  const pumping = pumpBytes(byteStream(source, { length }), () => Promise.reject(full));
  assertEquals(await assertRejects(() => pumping), full);
});

Deno.test("pumpBytes() rejects with the error of write() also when the read ahead fails too", async () => {
  let reads = 0;
  const source: ByteSource = {
    read: (into) =>
      reads++ === 0
        ? Promise.resolve(into.length)
        : Promise.reject(new Deno.errors.ConnectionReset("reset")),
  };
  const full = new Error("no space");
  const pumping = pumpBytes(byteStream(source, { length: 2 * FILE_CHUNK_BYTES }), async () => {
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
    throw full;
  });
  assertEquals([await assertRejects(() => pumping), reads], [full, 2]);
});

Deno.test("pumpBytes() keeps the error of the read ahead until write() is done, however long that takes", async () => {
  let reads = 0;
  const reset = new Deno.errors.ConnectionReset("reset");
  const source: ByteSource = {
    read: (into) => reads++ === 0 ? Promise.resolve(into.length) : Promise.reject(reset),
  };
  const pumping = pumpBytes(byteStream(source, { length: 2 * FILE_CHUNK_BYTES }), async () => {
    // A turn of the event loop, in which a rejection that nobody handles ends the process.
    await new Promise((resolve) => setTimeout(resolve, 0));
  });
  assertEquals([await assertRejects(() => pumping), reads], [reset, 2]);
});

Deno.test("pumpBytes() moves a file between two connections", async () => {
  const [here, there] = fakeDuplexPair({ bufferBytes: 100_000, maxReadBytes: RECORD_BYTES });
  using one = new Connection(here);
  using other = new Connection(there);
  const length = FILE_CHUNK_BYTES + 12_345;
  const sending = pumpBytes(
    byteStream(patternSource(length), { length }),
    (chunk) => one.write(chunk),
  ).then(() => one.send({ verb: "END" }));
  const parts = await pumped(other.reader, length);
  assertEquals(same(joined(parts), pattern(0, length)), true);
  assertEquals(await other.readFrame(), { verb: "END" });
  await sending;
});

Deno.test("pumpBytes() goes on with the memory that write() returns, whatever its size", async () => {
  const length = 3 * FILE_CHUNK_BYTES + 7;
  const expected = pattern(0, length);
  for (const size of [FILE_CHUNK_BYTES, 1]) {
    const parts: Uint8Array[] = [];
    const total = await pumpBytes(byteStream(patternSource(length), { length }), (chunk) => {
      // The memory moves away, as it does to a worker: nothing may read it here afterwards.
      const { length } = chunk;
      parts.push(new Uint8Array(chunk.buffer.transfer(), 0, length));
      return Promise.resolve(new Uint8Array(size));
    });
    assertEquals(total, length);
    assertEquals(same(joined(parts), expected), true);
  }
});

Deno.test("byteStream() hands on what came before the source's error", async () => {
  let reads = 0;
  const source: ByteSource = {
    read: (into) => {
      if (reads++ === 2) return Promise.reject(new Deno.errors.ConnectionReset("reset"));
      into.fill(reads, 0, 5);
      return Promise.resolve(5);
    },
  };
  const parts: Uint8Array[] = [];
  const pumping = pumpBytes(byteStream(source, { length: 100 }), (chunk) => {
    parts.push(chunk.slice());
    return Promise.resolve();
  });
  await assertRejects(() => pumping, Deno.errors.ConnectionReset);
  assertEquals(joined(parts), new Uint8Array([1, 1, 1, 1, 1, 2, 2, 2, 2, 2]));
});
