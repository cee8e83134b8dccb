import { assertEquals, assertRejects } from "@std/assert";
import type { ByteDuplex } from "./byte_reader.ts";
import { Connection } from "./connection.ts";
import { ProtocolError } from "./error.ts";
import { type FakeDuplex, fakeDuplexPair } from "./fake_duplex.ts";
import { encodeFrame } from "./frame.ts";
import {
  FILE_CHUNK_BYTES,
  MAX_GREETING_LINE_BYTES,
  MAX_LINE_BYTES,
  MAX_WRITE_BYTES,
  MAX_WRITE_QUEUE_BYTES,
} from "./limits.ts";

const PING = { verb: "PING", n: 1 } as const;
const PING_LINE = encodeFrame("PING", { n: 1 });

/** Records every write; `gate` holds writes back, `most` makes them short, `failure` makes them fail. */
class RecordingDuplex implements ByteDuplex {
  writes: Uint8Array[] = [];
  closes = 0;
  most = Infinity;
  failure: Error | undefined;
  #gate: PromiseWithResolvers<void> | undefined;

  hold(): void {
    this.#gate = Promise.withResolvers();
  }
  release(): void {
    this.#gate?.resolve();
    this.#gate = undefined;
  }
  read(): Promise<number | null> {
    return Promise.resolve(null);
  }
  async write(bytes: Uint8Array): Promise<number> {
    await this.#gate?.promise;
    if (this.failure) throw this.failure;
    this.writes.push(bytes.slice(0, this.most));
    return Math.min(bytes.length, this.most);
  }
  close(): void {
    this.closes++;
    this.failure ??= new Deno.errors.Interrupted("Closed");
    this.release();
  }
  get text(): string {
    return this.writes.map((bytes) => new TextDecoder().decode(bytes)).join("");
  }
}

async function bytesFrom(end: FakeDuplex, count: number): Promise<Uint8Array> {
  const all = new Uint8Array(count);
  for (let at = 0; at < count;) {
    const got = await end.read(all.subarray(at));
    if (got === null) throw new Error(`Cannot read ${count} bytes: ${at} came`);
    at += got;
  }
  return all;
}

Deno.test("send() delivers frames to the other side in order, with their fields", async () => {
  const [here, there] = fakeDuplexPair({ maxReadBytes: 3 });
  using one = new Connection(here);
  using other = new Connection(there);
  assertEquals(one.send(PING), true);
  assertEquals(one.send({ verb: "END" }), true);
  assertEquals(one.send({ verb: "BYE", reason: "stop" }), true);
  assertEquals(await other.readFrame(), { verb: "PING", n: 1 });
  assertEquals(await other.readFrame(), { verb: "END" });
  assertEquals(await other.readFrame(), { verb: "BYE", reason: "stop" });
  await one.end();
  assertEquals(await other.readFrame(), null);
});

Deno.test("send() writes a frame without fields as its verb alone [HB-1]", async () => {
  const duplex = new RecordingDuplex();
  using connection = new Connection(duplex);
  connection.send({ verb: "END" });
  await connection.flushed();
  assertEquals(duplex.text, "END\n");
});

Deno.test("frames sent in one turn leave in one write, up to MAX_WRITE_BYTES", async () => {
  const duplex = new RecordingDuplex();
  using connection = new Connection(duplex);
  for (let n = 0; n < 3; n++) connection.send({ verb: "PING", n });
  await connection.flushed();
  assertEquals(duplex.writes.length, 1);
  assertEquals(duplex.text, 'PING {"n":0}\nPING {"n":1}\nPING {"n":2}\n');
  duplex.writes = [];
  const frames = Math.floor(MAX_WRITE_BYTES / PING_LINE.length) + 1;
  for (let count = 0; count < frames; count++) connection.send(PING);
  await connection.flushed();
  assertEquals(duplex.writes.map(({ length }) => length <= MAX_WRITE_BYTES), [true, true]);
  assertEquals(duplex.text.length, frames * PING_LINE.length);
});

Deno.test("frames and raw bytes of concurrent senders never interleave", async () => {
  const [here, there] = fakeDuplexPair({ bufferBytes: 1_000, maxReadBytes: 700 });
  using one = new Connection(here);
  using other = new Connection(there);
  other.greeted();
  const blocks = [200_000, 1, 65_536, 3_000].map((length, index) =>
    new Uint8Array(length).fill(128 + index)
  );
  const sending = Promise.all(blocks.map(async (block, index) => {
    const id = `019aa8d0-0000-7000-8000-00000000000${index}`;
    one.send({ verb: "READY", id, offset: block.length });
    const written = one.write(block);
    for (let n = 0; n < 50; n++) one.send({ verb: "PING", n: index });
    await written;
  }));
  let blocksRead = 0;
  let pings = 0;
  while (blocksRead < blocks.length || pings < 50 * blocks.length) {
    const frame = await other.readFrame();
    if (frame?.verb === "PING") pings++;
    else if (frame?.verb === "READY") {
      const block = new Uint8Array(frame.offset);
      for (let at = 0; at < block.length;) at += await other.reader.read(block.subarray(at)) ?? NaN;
      assertEquals(block, blocks[Number(frame.id.at(-1))] ?? block.fill(0));
      blocksRead++;
    } else throw new Error(`Cannot go on: ${frame?.verb} came`);
  }
  await sending;
  assertEquals(one.pendingBytes, 0);
});

Deno.test("short writes are continued until everything is written", async () => {
  const duplex = new RecordingDuplex();
  duplex.most = 5;
  using connection = new Connection(duplex);
  connection.send(PING);
  await connection.write(new TextEncoder().encode("raw bytes"));
  assertEquals(duplex.text, 'PING {"n":1}\nraw bytes');
  assertEquals(connection.bytesWritten, 22);
  assertEquals(connection.pendingBytes, 0);
});

Deno.test("write() resolves only when its bytes are written, and takes none", async () => {
  const duplex = new RecordingDuplex();
  using connection = new Connection(duplex);
  await connection.write(new Uint8Array());
  duplex.hold();
  let written = false;
  const writing = connection.write(new Uint8Array(3)).then(() => written = true);
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  assertEquals([written, connection.pendingBytes], [false, 3]);
  duplex.release();
  await writing;
  assertEquals(duplex.writes.at(-1)?.length, 3);
});

for (const extra of [-1, 0, 1]) {
  Deno.test(`the queue takes its ceiling in frames and not a byte more: ${extra}`, async () => {
    const duplex = new RecordingDuplex();
    duplex.hold();
    using connection = new Connection(duplex, {
      maxQueueBytes: 10 * PING_LINE.length - extra,
    });
    for (let count = 0; count < 9; count++) assertEquals(connection.send(PING), true);
    assertEquals(connection.send(PING), extra <= 0);
    assertEquals(connection.closed, extra > 0);
    duplex.release();
    await connection.flushed();
  });
}

Deno.test("a peer that does not read loses this connection, with slow_reader, and no other", async () => {
  const [slow, deaf] = fakeDuplexPair({ bufferBytes: 100 });
  const [quick, reader] = fakeDuplexPair();
  using lost = new Connection(slow);
  using kept = new Connection(quick);
  using peer = new Connection(reader);
  let sent = 0;
  while (lost.send(PING)) {
    sent++;
    assertEquals(lost.pendingBytes <= MAX_WRITE_QUEUE_BYTES, true);
  }
  assertEquals(sent, Math.floor(MAX_WRITE_QUEUE_BYTES / PING_LINE.length));
  assertEquals(lost.closed, true);
  const failure = lost.failure;
  assertEquals(failure instanceof ProtocolError && failure.code, "slow_reader");
  assertEquals(lost.send(PING), false);
  await lost.flushed();
  assertEquals(lost.pendingBytes, 0);
  assertEquals(kept.send(PING), true);
  assertEquals(await peer.readFrame(), { verb: "PING", n: 1 });
  deaf.close();
});

Deno.test("what the peer has read makes room in the queue again", async () => {
  const [here, there] = fakeDuplexPair({ bufferBytes: 1 });
  using connection = new Connection(here, { maxQueueBytes: PING_LINE.length });
  for (let times = 0; times < 3; times++) {
    assertEquals(connection.send(PING), true);
    assertEquals(await bytesFrom(there, PING_LINE.length), PING_LINE);
    await connection.flushed();
  }
});

Deno.test("raw bytes that wait do not count against the ceiling for frames", async () => {
  const [here, there] = fakeDuplexPair({ bufferBytes: 10 });
  using connection = new Connection(here);
  const writing = connection.write(new Uint8Array(FILE_CHUNK_BYTES));
  assertEquals(connection.send(PING), true);
  assertEquals(connection.pendingBytes, FILE_CHUNK_BYTES + PING_LINE.length);
  await bytesFrom(there, FILE_CHUNK_BYTES);
  await writing;
  assertEquals(await bytesFrom(there, PING_LINE.length), PING_LINE);
});

Deno.test("bytesWritten stands still while a write stalls and moves with every part", async () => {
  const [here, there] = fakeDuplexPair({ bufferBytes: 4 });
  using connection = new Connection(here);
  connection.send(PING);
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  assertEquals([connection.bytesWritten, connection.pendingBytes], [4, PING_LINE.length - 4]);
  await bytesFrom(there, PING_LINE.length);
  await connection.flushed();
  assertEquals([connection.bytesWritten, connection.pendingBytes], [PING_LINE.length, 0]);
});

Deno.test("a write error is sticky: it reaches every waiting write() and all that come later", async () => {
  const duplex = new RecordingDuplex();
  using connection = new Connection(duplex);
  duplex.hold();
  const writes = [connection.write(new Uint8Array(MAX_WRITE_BYTES)), connection.write(PING_LINE)];
  const failures = Promise.allSettled(writes);
  connection.send(PING);
  await Promise.resolve();
  const broken = new Deno.errors.BrokenPipe("Broken pipe");
  duplex.failure = broken;
  duplex.release();
  assertEquals((await failures).map((it) => it.status === "rejected" && it.reason), [
    broken,
    broken,
  ]);
  assertEquals([connection.closed, duplex.closes, connection.failure], [true, 1, broken]);
  duplex.failure = undefined;
  assertEquals(connection.send(PING), false);
  assertEquals(await assertRejects(() => connection.write(PING_LINE)), broken);
  assertEquals([duplex.writes.length, connection.pendingBytes], [0, 0]);
});

Deno.test("close() drops what is queued and rejects what waits, without calling that a failure", async () => {
  const duplex = new RecordingDuplex();
  using connection = new Connection(duplex);
  duplex.hold();
  const underWay = connection.write(PING_LINE);
  await Promise.resolve();
  await Promise.resolve();
  const queued = connection.write(PING_LINE);
  connection.close();
  await assertRejects(() => underWay, Deno.errors.BadResource);
  await assertRejects(() => queued, Deno.errors.BadResource);
  await assertRejects(() => connection.write(PING_LINE), Deno.errors.BadResource);
  assertEquals([connection.failure, connection.pendingBytes, duplex.text], [undefined, 0, ""]);
});

Deno.test("close() before the first write of a turn drops it", async () => {
  const duplex = new RecordingDuplex();
  const connection = new Connection(duplex);
  connection.send(PING);
  connection.close();
  await connection.flushed();
  assertEquals(duplex.text, "");
});

Deno.test("close() keeps the first reason, closes the duplex once, and dispose is close()", () => {
  const duplex = new RecordingDuplex();
  const reason = new Error("stalled");
  {
    using connection = new Connection(duplex);
    connection.close(reason);
    connection.close(new Error("later"));
    assertEquals(connection.failure, reason);
  }
  assertEquals(duplex.closes, 1);
});

Deno.test("close() accepts a duplex that is released already, and passes on any other error", () => {
  const failing = (error: Error) => {
    const duplex = new RecordingDuplex();
    duplex.close = () => {
      throw error;
    };
    return new Connection(duplex);
  };
  failing(new Deno.errors.BadResource("Bad resource ID")).close();
  let thrown: unknown;
  try {
    failing(new RangeError("other")).close();
  } catch (error) {
    thrown = error;
  }
  assertEquals(thrown instanceof RangeError, true);
});

Deno.test("flushed() and end() resolve on an idle, a busy and a closed connection, repeatedly", async () => {
  const duplex = new RecordingDuplex();
  const connection = new Connection(duplex);
  await connection.flushed();
  connection.send(PING);
  await Promise.all([connection.flushed(), connection.flushed()]);
  connection.send(PING);
  await Promise.all([connection.end(), connection.end()]);
  assertEquals(duplex.text, 'PING {"n":1}\nPING {"n":1}\n');
  await connection.flushed();
  await connection.end();
  assertEquals([connection.closed, duplex.closes], [true, 1]);
});

Deno.test("end() gives up when close() cuts its wait short", async () => {
  const [here] = fakeDuplexPair({ bufferBytes: 4 });
  const connection = new Connection(here);
  connection.send(PING);
  const ending = connection.end();
  await Promise.resolve();
  connection.close();
  await ending;
  assertEquals([connection.closed, connection.bytesWritten <= 4], [true, true]);
});

Deno.test("closing one side ends the other's frames and fails its writes", async () => {
  const [here, there] = fakeDuplexPair();
  const one = new Connection(here);
  using other = new Connection(there);
  const reading = one.readFrame();
  one.close();
  await assertRejects(() => reading, Deno.errors.Interrupted);
  assertEquals(await other.readFrame(), null);
  await assertRejects(() => other.write(PING_LINE));
  assertEquals([other.closed, other.failure !== undefined], [true, true]);
});

Deno.test("readLine() allows 4 KiB before greeted() and 64 KiB after it [HB-3]", async () => {
  const [here, there] = fakeDuplexPair({ bufferBytes: 1_000_000 });
  using connection = new Connection(here);
  const send = async (length: number) => {
    await there.write(new Uint8Array(length).fill(0x78));
    await there.write(new Uint8Array([0x0a]));
  };
  await send(MAX_GREETING_LINE_BYTES);
  assertEquals((await connection.readLine())?.length, MAX_GREETING_LINE_BYTES);
  connection.greeted();
  await send(MAX_LINE_BYTES);
  assertEquals((await connection.readLine())?.length, MAX_LINE_BYTES);
  await send(MAX_LINE_BYTES + 1);
  const { code } = await assertRejects(() => connection.readLine(), ProtocolError);
  assertEquals(code, "line_too_long");
});

Deno.test("readFrame() rejects a bad frame and goes on with the next line", async () => {
  const [here, there] = fakeDuplexPair();
  using connection = new Connection(here);
  await there.write(new TextEncoder().encode('PING {"n":-1}\nLATER\nPING {"n":2}\n'));
  const { code } = await assertRejects(() => connection.readFrame(), ProtocolError);
  assertEquals(code, "bad_field");
  assertEquals(await connection.readFrame(), { verb: "unknown", received: "LATER" });
  assertEquals(await connection.readFrame(), { verb: "PING", n: 2 });
});

Deno.test("onRead() of a connection counts every byte that arrives", async () => {
  const [here, there] = fakeDuplexPair();
  let count = 0;
  using connection = new Connection(here, { onRead: (bytes) => count += bytes });
  await there.write(PING_LINE);
  await connection.readFrame();
  assertEquals(count, PING_LINE.length);
});
