import { assertEquals } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import { fakeDuplexPair } from "../protocol/fake_duplex.ts";
import { ClassicInput } from "./classic_input.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function begin() {
  const clock = new FakeClock();
  const [here, peer] = fakeDuplexPair();
  const input = new ClassicInput(here, clock);
  const send = (text: string) => peer.write(encoder.encode(text));
  const next = async (ms?: number) => {
    const chunk = await input.next(ms);
    return chunk instanceof Uint8Array ? decoder.decode(chunk) : chunk;
  };
  const read = async (bytes: number) => {
    const into = new Uint8Array(bytes);
    const count = await input.read(into);
    return count === null ? null : decoder.decode(into.subarray(0, count));
  };
  return { clock, peer, input, send, next, read };
}

Deno.test("next() keeps the boundaries of chunks", async () => {
  const { send, next, peer } = begin();
  await send("one");
  await send("two");
  peer.closeWrite();
  assertEquals([await next(), await next(), await next(), await next()], [
    "one",
    "two",
    null,
    null,
  ]);
});

Deno.test("next() is quiet after its time, and the bytes that come later are not lost", async () => {
  const { clock, send, next } = begin();
  const first = next(250);
  await clock.advance(249);
  assertEquals(await Promise.race([first, Promise.resolve("waiting")]), "waiting");
  await clock.advance(1);
  assertEquals(await first, "quiet");
  const second = next(250);
  await clock.advance(250);
  assertEquals(await second, "quiet");
  await send("late");
  assertEquals(await next(250), "late");
  assertEquals(clock.waiting, 0);
});

Deno.test("next() prefers bytes that have come in time", async () => {
  const { clock, send, next } = begin();
  const waiting = next(250);
  await send("x");
  await clock.advance(250);
  assertEquals(await waiting, "x");
});

Deno.test("unread() puts bytes in front of everything, in order", async () => {
  const { input, send, next } = begin();
  await send("c");
  input.unread(encoder.encode("b"));
  input.unread(encoder.encode("a"));
  assertEquals([await next(), await next()], ["ab", "c"]);
});

Deno.test("read() takes what was put back first, then what comes, also what next() has begun to read", async () => {
  const { clock, input, send, next, read } = begin();
  const quiet = next(10);
  await clock.advance(10);
  assertEquals(await quiet, "quiet");
  input.unread(encoder.encode("ab"));
  await send("cdef");
  assertEquals([await read(1), await read(9), await read(3), await read(9)], [
    "a",
    "b",
    "cde",
    "f",
  ]);
});

Deno.test("takeLeft() gives what arrived behind the end of a file, once", async () => {
  const { input, send, read, peer } = begin();
  await send("hello, more");
  assertEquals(await read(5), "hello");
  assertEquals(decoder.decode(input.takeLeft()), ", more");
  assertEquals(input.takeLeft().length, 0);
  peer.closeWrite();
  assertEquals([await read(1), await read(1)], [null, null]);
});

Deno.test("next() never gives more than 64 KiB at once, and loses none of more", async () => {
  const { input, send, peer } = begin();
  await send("x".repeat(65_536));
  const rest = send("y".repeat(10));
  const first = await input.next(undefined);
  await rest;
  peer.closeWrite();
  const second = await input.next(undefined);
  assertEquals([(first as Uint8Array).length, (second as Uint8Array).length], [65_536, 10]);
});
