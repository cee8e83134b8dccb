import { assertEquals } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import { fakeDuplexPair } from "../protocol/fake_duplex.ts";
import { Connection, encodeFrame } from "../protocol/mod.ts";
import { farewell } from "./farewell.ts";

Deno.test("farewell() sends what is queued and its own bytes, and closes", async () => {
  const clock = new FakeClock();
  const [here, there] = fakeDuplexPair();
  const connection = new Connection(here);
  const peer = new Connection(there);
  connection.send({ verb: "PING", n: 1 });
  await farewell(connection, { clock, bytes: encodeFrame("BYE", { reason: "shutdown" }) });
  assertEquals([connection.closed, clock.waiting], [true, 0]);
  assertEquals((await peer.readFrame())?.verb, "PING");
  assertEquals((await peer.readFrame())?.verb, "BYE");
  assertEquals(await peer.readFrame(), null);
});

Deno.test("farewell() to a peer that does not read takes a second and no longer", async () => {
  const clock = new FakeClock();
  const [here] = fakeDuplexPair({ bufferBytes: 4 });
  const connection = new Connection(here);
  let over = false;
  const leaving = farewell(connection, { clock, bytes: new Uint8Array(100) })
    .then(() => over = true);
  await clock.advance(999);
  assertEquals([over, connection.closed], [false, false]);
  await clock.advance(1);
  await leaving;
  assertEquals([connection.closed, clock.waiting], [true, 0]);
});

Deno.test("farewell() of a connection that is gone is quiet", async () => {
  const clock = new FakeClock();
  const [here, there] = fakeDuplexPair();
  there.close();
  await farewell(new Connection(here), { clock, bytes: new Uint8Array(100) });
  const closed = new Connection(fakeDuplexPair()[0]);
  closed.close();
  await farewell(closed, { clock, bytes: new Uint8Array(1) });
  await farewell(closed, { clock });
  assertEquals(clock.waiting, 0);
});
