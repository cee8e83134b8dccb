import { assertEquals, assertThrows } from "@std/assert";
import {
  connectLine,
  jetStreamProblem,
  NatsDecoder,
  publishLine,
  subscribeLine,
} from "./nats_line.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);

Deno.test("connectLine() asks for no answer to each line", () => {
  const [, options = ""] = /^CONNECT (.+)\r\n$/.exec(text(connectLine("me"))) ?? [];
  assertEquals([JSON.parse(options).verbose, JSON.parse(options).name], [false, "me"]);
});

Deno.test("publishLine() counts the bytes of its payload, not its characters", () => {
  const line = publishLine({ subject: "s", reply: "r.1", payload: "é" });
  assertEquals(text(line), "PUB s r.1 2\r\né\r\n");
  assertEquals(text(subscribeLine({ subject: "r.*", id: 1 })), "SUB r.* 1\r\n");
});

Deno.test("NatsDecoder gives the same events however the bytes are cut", () => {
  const stream = bytes(
    'INFO {"a":1}\r\n+OK\r\nMSG r.1 1 4\r\na\r\nb\r\nMSG r.2 1 back 2\r\né\r\nPING\r\nPONG\r\n' +
      "-ERR 'No Room'\r\n",
  );
  for (let cut = 0; cut <= stream.length; cut++) {
    const decoder = new NatsDecoder();
    const events = [stream.slice(0, cut), stream.slice(cut)].flatMap((part) => decoder.push(part));
    assertEquals(events, [
      { kind: "info" },
      { kind: "ok" },
      { kind: "message", subject: "r.1", payload: "a\r\nb" },
      { kind: "message", subject: "r.2", payload: "é" },
      { kind: "ping" },
      { kind: "pong" },
      { kind: "error", text: "No Room" },
    ]);
  }
});

Deno.test("NatsDecoder refuses a line that it does not know", () => {
  assertThrows(() => new NatsDecoder().push(bytes("HMSG a 1 2 3\r\n")), Error, '"HMSG"');
});

Deno.test("jetStreamProblem() tells a refusal from a success", () => {
  assertEquals(jetStreamProblem('{"stream":"BENCH","seq":1}'), undefined);
  assertEquals(jetStreamProblem('{"error":{"code":503,"description":"no room"}}'), "no room");
  assertEquals(jetStreamProblem('{"error":{"code":503}}'), "no reason given");
});
