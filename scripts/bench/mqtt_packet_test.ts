import { assertEquals, assertThrows } from "@std/assert";
import {
  connectPacket,
  disconnectPacket,
  MQTT,
  MqttDecoder,
  pubackId,
  publishPacket,
  returnCode,
  subscribePacket,
} from "./mqtt_packet.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));

Deno.test("connectPacket() is CONNECT of version 3.1.1 with an id and the kind of session", () => {
  const head = "10 0e 0004 4d515454 04";
  assertEquals(connectPacket({ client: "ab", clean: true }), bytes(`${head} 02 0000 0002 6162`));
  assertEquals(connectPacket({ client: "ab", clean: false }), bytes(`${head} 00 0000 0002 6162`));
});

Deno.test("publishPacket() asks for an acknowledgement at QoS 1", () => {
  const payload = bytes("ff");
  assertEquals(publishPacket({ topic: "t", id: 0x1234, payload }), bytes("32 06 0001 74 1234 ff"));
});

Deno.test("publishPacket() takes a second byte of length from 128 on", () => {
  const lengthOf = (count: number) =>
    publishPacket({ topic: "t", id: 1, payload: new Uint8Array(count) }).slice(1, 3);
  assertEquals(lengthOf(122), bytes("7f 00"));
  assertEquals(lengthOf(123), bytes("80 01"));
  assertEquals(lengthOf(300 - 5), bytes("ac 02"));
});

Deno.test("subscribePacket() and disconnectPacket() are as the standard has them", () => {
  assertEquals(subscribePacket({ topic: "t", id: 7 }), bytes("82 06 0007 0001 74 01"));
  assertEquals(disconnectPacket(), bytes("e0 00"));
});

Deno.test("MqttDecoder gives the same packets however the bytes are cut", () => {
  const stream = bytes("20 02 00 00 90 03 0007 01 40 02 1234 d0 00");
  const expected = [[MQTT.connack, "0000"], [MQTT.suback, "000701"], [MQTT.puback, "1234"], [
    13,
    "",
  ]];
  for (let cut = 0; cut <= stream.length; cut++) {
    const decoder = new MqttDecoder();
    const packets = [stream.slice(0, cut), stream.slice(cut)].flatMap((part) => decoder.push(part));
    assertEquals(packets.map(({ type, body }) => [type, body.toHex()]), expected);
  }
});

Deno.test("MqttDecoder refuses a length of more than 4 bytes", () => {
  assertThrows(
    () => new MqttDecoder().push(bytes("40 80 80 80 80 01")),
    Error,
    "more than 4 bytes",
  );
});

Deno.test("pubackId() and returnCode() read what an answer says", () => {
  assertEquals(pubackId({ type: MQTT.puback, body: bytes("1234") }), 0x1234);
  assertEquals(returnCode({ type: MQTT.connack, body: bytes("0005") }), 5);
  assertEquals(returnCode({ type: MQTT.suback, body: bytes("000780") }), 0x80);
});
