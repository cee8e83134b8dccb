/**
 * The part of the NATS client protocol that a publisher to JetStream needs: lines of text, of which some are
 * followed by a payload.
 *
 * @module
 */

import { joined } from "./publisher_socket.ts";

const LF = 0x0a;
/** What ends lines and payloads. */
const CRLF = "\r\n";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Something that the server said. */
export type NatsEvent =
  | { readonly kind: "info" | "ok" | "ping" | "pong" }
  | { readonly kind: "error"; readonly text: string }
  | { readonly kind: "message"; readonly subject: string; readonly payload: string };

/** CONNECT that asks for no `+OK` after each line. */
export function connectLine(name: string): Uint8Array {
  const options = {
    verbose: false,
    pedantic: false,
    lang: "deno",
    version: "1",
    protocol: 1,
    name,
  };
  return encoder.encode(`CONNECT ${JSON.stringify(options)}${CRLF}`);
}

/** SUB. */
export function subscribeLine({ subject, id }: { subject: string; id: number }): Uint8Array {
  return encoder.encode(`SUB ${subject} ${id}${CRLF}`);
}

/** PUB, whose answer goes to `reply`. */
export function publishLine(
  { subject, reply, payload }: { subject: string; reply: string; payload: string },
): Uint8Array {
  const bytes = encoder.encode(payload).length;
  return encoder.encode(`PUB ${subject} ${reply} ${bytes}${CRLF}${payload}${CRLF}`);
}

/** PING. */
export const PING_LINE: Uint8Array = encoder.encode(`PING${CRLF}`);
/** PONG. */
export const PONG_LINE: Uint8Array = encoder.encode(`PONG${CRLF}`);

/** Why an answer of JetStream is no success; undefined when it is one. */
export function jetStreamProblem(payload: string): string | undefined {
  const answer: { error?: { description?: string } } = JSON.parse(payload);
  return answer.error === undefined ? undefined : answer.error.description ?? "no reason given";
}

/** Puts events together from bytes as they come. */
export class NatsDecoder {
  #rest = new Uint8Array();

  /** The events that `bytes` complete; throws at a line that this decoder does not know. */
  push(bytes: Uint8Array): NatsEvent[] {
    const input = joined([this.#rest, bytes]);
    const events: NatsEvent[] = [];
    let at = 0;
    while (true) {
      const lineEnd = input.indexOf(LF, at);
      if (lineEnd === -1) break;
      const line = decoder.decode(input.subarray(at, lineEnd)).trimEnd();
      if (!line.startsWith("MSG ")) {
        events.push(plainEvent(line));
        at = lineEnd + 1;
        continue;
      }
      const words = line.split(" ");
      const [subject = "", length] = [words[1], Number(words.at(-1))];
      const payloadEnd = lineEnd + 1 + length;
      if (payloadEnd + CRLF.length > input.length) break;
      const payload = decoder.decode(input.subarray(lineEnd + 1, payloadEnd));
      events.push({ kind: "message", subject, payload });
      at = payloadEnd + CRLF.length;
    }
    this.#rest = input.slice(at);
    return events;
  }
}

function plainEvent(line: string): NatsEvent {
  const [word = "", ...rest] = line.split(" ");
  switch (word.toUpperCase()) {
    case "INFO":
      return { kind: "info" };
    case "+OK":
      return { kind: "ok" };
    case "PING":
      return { kind: "ping" };
    case "PONG":
      return { kind: "pong" };
    case "-ERR":
      return { kind: "error", text: rest.join(" ").replaceAll("'", "") };
    default:
      throw new Error(`Cannot read a line of NATS: it begins with "${word}"`);
  }
}
