import { assertEquals, assertMatch } from "@std/assert";
import { systemClock } from "../platform/clock.ts";
import { FakeClock } from "../platform/fake_clock.ts";
import { acceptAll, openListener } from "./listener.ts";
import { getLog } from "../platform/log.ts";
import { OWN_PORT_MS, OwnPort } from "./own_port.ts";

const HERE = { hostname: "127.0.0.1", port: 0 };

Deno.test("trouble() finds none where somebody accepts, and claims only its own connection", async () => {
  const ownPort = new OwnPort({ clock: systemClock });
  const listener = openListener({ ...HERE, clock: systemClock });
  const closing = new AbortController();
  const visitors: number[] = [];
  const accepting = acceptAll(listener, {
    clock: systemClock,
    log: getLog("server"),
    signal: closing.signal,
    onConnection: (socket) => {
      void (async () => {
        if (!await ownPort.claims(socket.remoteAddr)) visitors.push(socket.remoteAddr.port);
        socket.close();
      })();
    },
  });
  const { port } = listener.addr;
  const asking = ownPort.trouble({ hostname: "0.0.0.0", port });
  const visitor = await Deno.connect({ hostname: "127.0.0.1", port });
  assertEquals(await asking, undefined);
  await visitor.read(new Uint8Array(1));
  assertEquals(visitors, [visitor.localAddr.port]);
  visitor.close();
  closing.abort();
  listener.close();
  await accepting;
  const gone = await ownPort.trouble({ hostname: "127.0.0.1", port });
  assertMatch(gone ?? "", /^its own port \d+ cannot be reached: .*refused/i);
});

Deno.test("trouble() is not deceived by a kernel that connects while nobody accepts", async () => {
  const clock = new FakeClock();
  let isClosed = false;
  const connect = () =>
    Promise.resolve({
      localAddr: { hostname: "127.0.0.1", port: 7 },
      close: () => isClosed = true,
    });
  const ownPort = new OwnPort({ clock, connect });
  const asking = ownPort.trouble({ hostname: "127.0.0.1", port: 5001 });
  await clock.advance(OWN_PORT_MS);
  assertEquals(await asking, "nobody accepts at its own port 5001 within 5 s");
  await clock.advance(0);
  assertEquals([isClosed, clock.waiting], [true, 0]);
  assertEquals(ownPort.claims({ hostname: "127.0.0.1", port: 7 }), false);
});
