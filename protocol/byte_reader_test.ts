import { assertEquals, assertRejects } from "@std/assert";
import { ByteReader, type ByteSource } from "./byte_reader.ts";
import { ProtocolError } from "./error.ts";
import { MAX_GREETING_LINE_BYTES, MAX_LINE_BYTES, READ_BUFFER_BYTES } from "./limits.ts";

const CEILING = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface TestSource extends ByteSource {
  /** How many bytes were taken. */
  taken: number;
  /** How many reads there were. */
  reads: number;
}

/** Gives `text` in pieces of the sizes named, the last size again and again, then the end. */
function sourceOf(text: string | Uint8Array, ...sizes: number[]): TestSource {
  const bytes = typeof text === "string" ? encoder.encode(text) : text;
  const source: TestSource = {
    taken: 0,
    reads: 0,
    read(into) {
      const size = sizes[Math.min(source.reads++, sizes.length - 1)] ?? Infinity;
      if (source.taken === bytes.length) return Promise.resolve(null);
      const piece = bytes.subarray(source.taken, source.taken + Math.min(size, into.length));
      into.set(piece);
      source.taken += piece.length;
      return Promise.resolve(piece.length);
    },
  };
  return source;
}

async function line(reader: ByteReader, ceiling = CEILING): Promise<string | null> {
  const bytes = await reader.readLine(ceiling);
  return bytes && decoder.decode(bytes);
}

async function rest(reader: ByteReader): Promise<Uint8Array> {
  const all: number[] = [];
  const into = new Uint8Array(7);
  for (let count = await reader.read(into); count !== null; count = await reader.read(into)) {
    all.push(...into.subarray(0, count));
  }
  return new Uint8Array(all);
}

async function code(reading: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => reading, ProtocolError)).code;
}

const RAW = new Uint8Array([0x0a, 0x00, 0xff, 0x0a, 0xc0, 0x80, 0x0a]);
const SAMPLE = new Uint8Array([...encoder.encode("one\n\ntwo\n"), ...RAW]);

async function readsSample(source: ByteSource): Promise<void> {
  const reader = new ByteReader(source);
  assertEquals(await line(reader), "one");
  assertEquals(await line(reader), "");
  assertEquals(await line(reader), "two");
  assertEquals(await rest(reader), RAW);
  assertEquals(await line(reader), null);
}

Deno.test("readLine() finds LF in the bytes and leaves the rest untouched, at every split [HB-2]", async () => {
  await readsSample(sourceOf(SAMPLE));
  await readsSample(sourceOf(SAMPLE, 1));
  for (let one = 1; one < SAMPLE.length; one++) {
    for (let two = 1; two < SAMPLE.length - one; two++) {
      await readsSample(sourceOf(SAMPLE, one, two, Infinity));
    }
  }
});

Deno.test("readLine() does not decode: LF inside a multi-byte sequence still ends the line [HB-2]", async () => {
  const reader = new ByteReader(sourceOf(new Uint8Array([0xe2, 0x82, 0x0a, 0xac, 0x0a])));
  assertEquals(await reader.readLine(CEILING), new Uint8Array([0xe2, 0x82]));
  assertEquals(await reader.readLine(CEILING), new Uint8Array([0xac]));
});

Deno.test("readLine() gives copies that later reads do not change", async () => {
  const reader = new ByteReader(sourceOf("abc\nxyz\n", 4));
  const first = await reader.readLine(CEILING);
  await reader.readLine(CEILING);
  assertEquals(first, encoder.encode("abc"));
});

for (
  const ceiling of [
    0,
    1,
    CEILING,
    MAX_GREETING_LINE_BYTES,
    MAX_GREETING_LINE_BYTES + 1,
    MAX_LINE_BYTES,
  ]
) {
  Deno.test(`readLine() takes ceiling - 1 and ceiling, and rejects above, at ${ceiling} bytes [HB-3]`, async () => {
    for (const length of [ceiling - 1, ceiling, ceiling + 1].filter((length) => length >= 0)) {
      const text = "x".repeat(length);
      for (const piece of [Infinity, 1_000, ceiling <= CEILING ? 1 : 4_096]) {
        const reading = line(new ByteReader(sourceOf(`${text}\nrest`, piece)), ceiling);
        if (length > ceiling) assertEquals(await code(reading), "line_too_long");
        else assertEquals(await reading, text);
      }
    }
  });
}

Deno.test("readLine() rejects an endless line after at most one byte above its ceiling and buffer [HB-3]", async () => {
  for (const ceiling of [CEILING, MAX_GREETING_LINE_BYTES, MAX_LINE_BYTES]) {
    const source = sourceOf(new Uint8Array(4 * MAX_LINE_BYTES));
    const reader = new ByteReader(source);
    assertEquals(await code(reader.readLine(ceiling)), "line_too_long");
    assertEquals(source.taken, Math.max(ceiling + 1, READ_BUFFER_BYTES));
    assertEquals(reader.capacity, Math.max(ceiling + 1, READ_BUFFER_BYTES));
  }
});

Deno.test("readLine() names both sizes when a line is too long [HB-3]", async () => {
  const { message } = await assertRejects(
    () => new ByteReader(sourceOf("x".repeat(20))).readLine(CEILING),
    ProtocolError,
  );
  assertEquals(
    message,
    "Cannot read a line as it must be <= 10 bytes: 20 bytes came without its end",
  );
});

Deno.test("capacity grows to the ceiling and one byte at most, and shrinks back when empty [HB-3]", async () => {
  const text = "x".repeat(MAX_LINE_BYTES);
  const reader = new ByteReader(sourceOf(`${text}\n${text}\n`, 1_000));
  assertEquals(reader.capacity, READ_BUFFER_BYTES);
  for (let lines = 0; lines < 2; lines++) {
    const reading = reader.readLine(MAX_LINE_BYTES);
    let most = 0;
    const watched = reading.then(() => true);
    while (await Promise.race([watched, Promise.resolve(false)]) === false) {
      most = Math.max(most, reader.capacity);
    }
    assertEquals((await reading)?.length, MAX_LINE_BYTES);
    assertEquals(most, MAX_LINE_BYTES + 1);
    if (lines === 1) assertEquals([reader.buffered, reader.capacity], [0, READ_BUFFER_BYTES]);
  }
  assertEquals(await line(reader), null);
});

Deno.test("capacity stays at its first size for any number of short lines", async () => {
  const reader = new ByteReader(sourceOf("12345678\n".repeat(5_000), 1_000));
  for (let lines = 0; lines < 5_000; lines++) {
    assertEquals(await line(reader), "12345678");
    assertEquals(reader.capacity, READ_BUFFER_BYTES);
  }
});

Deno.test("readLine() rejects with truncated when the stream ends in the middle of a line [HB-10]", async () => {
  for (const text of ["x", "x".repeat(CEILING), "one\nx"]) {
    const reader = new ByteReader(sourceOf(text));
    if (text.startsWith("one")) await line(reader);
    assertEquals(await code(line(reader)), "truncated");
  }
});

Deno.test("readLine() is null, again and again, when the stream ends between lines [HB-10]", async () => {
  const reader = new ByteReader(sourceOf("one\n"));
  assertEquals(await line(reader), "one");
  assertEquals([await line(reader), await line(reader)], [null, null]);
});

Deno.test("readLine() passes on the source's own error", async () => {
  const reader = new ByteReader({
    read: () => Promise.reject(new Deno.errors.ConnectionReset("reset")),
  });
  await assertRejects(() => reader.readLine(CEILING), Deno.errors.ConnectionReset);
});

Deno.test("read() gives what is buffered first, then reads straight into the caller's array", async () => {
  const source = sourceOf("ab\ncdefgh", 5, Infinity);
  const reader = new ByteReader(source);
  assertEquals(await line(reader), "ab");
  const into = new Uint8Array(100);
  assertEquals(await reader.read(into.subarray(0, 1)), 1);
  assertEquals([reader.buffered, source.reads], [1, 1]);
  assertEquals(await reader.read(into.subarray(1)), 1);
  assertEquals([reader.buffered, source.reads], [0, 1]);
  assertEquals(await reader.read(into.subarray(2)), 4);
  assertEquals(decoder.decode(into.subarray(0, 6)), "cdefgh");
  assertEquals([await reader.read(into), reader.buffered], [null, 0]);
});

Deno.test("peek() waits for the count without taking anything", async () => {
  const reader = new ByteReader(sourceOf("HELLO {}\nx", 1));
  assertEquals(decoder.decode(await reader.peek(3)), "HEL");
  assertEquals(decoder.decode(await reader.peek(7)), "HELLO {");
  assertEquals(decoder.decode(await reader.peek(2)), "HELLO {");
  assertEquals(await line(reader), "HELLO {}");
});

Deno.test("peek() gives less than the count only at the end of the stream, and more when more came", async () => {
  assertEquals(decoder.decode(await new ByteReader(sourceOf("ab", 1)).peek(7)), "ab");
  assertEquals(await new ByteReader(sourceOf("")).peek(7), new Uint8Array());
  assertEquals(decoder.decode(await new ByteReader(sourceOf("abcdef")).peek(2)), "abcdef");
});

Deno.test("peek() grows the buffer to the count and no further", async () => {
  const count = READ_BUFFER_BYTES + 100;
  const reader = new ByteReader(sourceOf(new Uint8Array(3 * READ_BUFFER_BYTES)));
  assertEquals((await reader.peek(count)).length, count);
  assertEquals(reader.capacity, count);
});

Deno.test("unread() puts bytes in front of everything that is still to be read", async () => {
  const reader = new ByteReader(sourceOf("b\nc\nd"));
  assertEquals(await line(reader), "b");
  reader.unread(encoder.encode("a1\na2"));
  reader.unread(new Uint8Array());
  assertEquals(await line(reader), "a1");
  assertEquals(await line(reader), "a2c");
  assertEquals(decoder.decode(await rest(reader)), "d");
});

Deno.test("unread() takes more than the buffer holds, and the memory is given back afterwards", async () => {
  const reader = new ByteReader(sourceOf("\nx\n"));
  await reader.peek(1);
  const long = "y".repeat(2 * READ_BUFFER_BYTES);
  reader.unread(encoder.encode(long));
  assertEquals(await line(reader, MAX_LINE_BYTES), long);
  assertEquals(await line(reader), "x");
  assertEquals([reader.buffered, reader.capacity], [0, READ_BUFFER_BYTES]);
});

Deno.test("onRead() is told every byte that comes from the source, once, and no others", async () => {
  const counts: number[] = [];
  const reader = new ByteReader(sourceOf("ab\ncdef", 4, 2, Infinity), {
    onRead: (count) => counts.push(count),
  });
  await line(reader);
  reader.unread(encoder.encode("zz"));
  await rest(reader);
  assertEquals(counts, [4, 2, 1]);
});
