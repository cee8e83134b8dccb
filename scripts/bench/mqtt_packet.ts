/**
 * The few packets of MQTT 3.1.1 (OASIS standard of 29 October 2014) that a publisher at QoS 1 and a subscriber
 * that goes away again need.
 *
 * @module
 */

import { joined } from "./publisher_socket.ts";

/** Packet types (section 2.2.1). */
export const MQTT = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  subscribe: 8,
  suback: 9,
  disconnect: 14,
} as const;

/** Largest id of a packet; 0 is none. */
export const MAX_PACKET_ID = 0xffff;

/** Level 4 is version 3.1.1. */
const PROTOCOL_LEVEL = 4;
const CLEAN_SESSION = 0b10;
/** No limit of silence. */
const KEEP_ALIVE_S = 0;
const QOS_1 = 1;
/** Flags that SUBSCRIBE must carry. */
const SUBSCRIBE_FLAGS = 0b0010;
/** Bytes that the length of a packet may take. */
const MAX_LENGTH_BYTES = 4;

const encoder = new TextEncoder();

/** A packet that has arrived. */
export interface MqttPacket {
  readonly type: number;
  /** What follows the length; a copy. */
  readonly body: Uint8Array;
}

/** CONNECT without a will or a password; a session that is not clean outlives its connection. */
export function connectPacket({ client, clean }: { client: string; clean: boolean }): Uint8Array {
  const flags = clean ? CLEAN_SESSION : 0;
  const head = Uint8Array.of(PROTOCOL_LEVEL, flags, ...uint16(KEEP_ALIVE_S));
  return packet(MQTT.connect, 0, [text("MQTT"), head, text(client)]);
}

/** PUBLISH at QoS 1. */
export function publishPacket(
  { topic, id, payload }: { topic: string; id: number; payload: Uint8Array },
): Uint8Array {
  return packet(MQTT.publish, QOS_1 << 1, [text(topic), uint16(id), payload]);
}

/** SUBSCRIBE to one topic at QoS 1. */
export function subscribePacket({ topic, id }: { topic: string; id: number }): Uint8Array {
  return packet(MQTT.subscribe, SUBSCRIBE_FLAGS, [uint16(id), text(topic), Uint8Array.of(QOS_1)]);
}

/** DISCONNECT. */
export function disconnectPacket(): Uint8Array {
  return packet(MQTT.disconnect, 0, []);
}

/** The id that a PUBACK acknowledges. */
export function pubackId({ body }: MqttPacket): number {
  return ((body[0] ?? 0) << 8) | (body[1] ?? 0);
}

/** The return code of a CONNACK or, for one topic, of a SUBACK: of the former 0 is good, of the latter 1. */
export function returnCode({ type, body }: MqttPacket): number {
  return body[type === MQTT.connack ? 1 : 2] ?? NaN;
}

/** Puts packets together from bytes as they come. */
export class MqttDecoder {
  #rest = new Uint8Array();

  /** The packets that `bytes` complete; throws where the length of one is malformed. */
  push(bytes: Uint8Array): MqttPacket[] {
    const input = joined([this.#rest, bytes]);
    const packets: MqttPacket[] = [];
    let at = 0;
    while (true) {
      const length = readLength(input, at + 1);
      if (length === undefined || length.next + length.value > input.length) break;
      const end = length.next + length.value;
      packets.push({ type: (input[at] ?? 0) >> 4, body: input.slice(length.next, end) });
      at = end;
    }
    this.#rest = input.slice(at);
    return packets;
  }
}

function packet(type: number, flags: number, parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return joined([Uint8Array.of((type << 4) | flags, ...encodeLength(length)), ...parts]);
}

/** A length as 1 to 4 bytes of 7 bits each, the lowest first (section 2.2.3). */
function encodeLength(length: number): number[] {
  const bytes: number[] = [];
  let rest = length;
  do {
    const more = rest > 0x7f ? 0x80 : 0;
    bytes.push((rest & 0x7f) | more);
    rest >>= 7;
  } while (rest > 0);
  return bytes;
}

function readLength(input: Uint8Array, from: number): { value: number; next: number } | undefined {
  let value = 0;
  for (let count = 0; count < MAX_LENGTH_BYTES; count++) {
    const byte = input[from + count];
    if (byte === undefined) return undefined;
    value |= (byte & 0x7f) << (7 * count);
    if (byte < 0x80) return { value, next: from + count + 1 };
  }
  throw new Error(`Cannot read a packet's length: it takes more than ${MAX_LENGTH_BYTES} bytes`);
}

function text(value: string): Uint8Array {
  const bytes = encoder.encode(value);
  return joined([uint16(bytes.length), bytes]);
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}
