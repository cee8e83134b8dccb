import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { systemClock } from "../platform/clock.ts";
import { FakeClock } from "../platform/fake_clock.ts";
import type { Logger } from "../platform/log.ts";
import { makeIdentity } from "./certificate.ts";
import {
  acceptAll,
  type AcceptedSocket,
  ListenError,
  listenError,
  openListener,
  plainAddress,
  showAddress,
} from "./listener.ts";

const WHERE = { what: "--listen", hostname: "0.0.0.0", port: 5001 };

function listen(hostname: string, port: number) {
  return openListener({ hostname, port, clock: systemClock });
}

Deno.test("openListener() takes a free port for 0 and hands connections over", async () => {
  const listener = listen("127.0.0.1", 0);
  const accepting = listener.accept();
  using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const socket = await accepting;
  assertEquals(socket.remoteAddr.port, (client.localAddr as Deno.NetAddr).port);
  assertEquals(socket.handshake, undefined);
  await client.write(new Uint8Array([7]));
  const into = new Uint8Array(1);
  assertEquals([await socket.read(into), into[0]], [1, 7]);
  socket.close();
  listener.close();
  await listener.drained();
});

Deno.test("openListener() says that another program uses the port, and how to choose another", async () => {
  const identity = await makeIdentity(Date.now());
  const listener = listen("127.0.0.1", 0);
  const { port } = listener.addr;
  const tls = { cert: identity.certificatePem, key: identity.keyPem };
  for (const how of [undefined, tls]) {
    const error = assertThrows(
      () => openListener({ hostname: "127.0.0.1", port, tls: how, clock: systemClock }),
      ListenError,
    );
    assertEquals(error.name, "ListenError");
    assertEquals(
      error.message,
      `Cannot listen on 127.0.0.1:${port}: another program uses this port`,
    );
    assertStringIncludes(error.hint, "--listen HOST:PORT");
  }
  listener.close();
});

Deno.test("openListener() says that this machine does not have the address", () => {
  const error = assertThrows(() => listen("192.0.2.1", 0), ListenError);
  assertEquals(
    error.message,
    "Cannot listen on 192.0.2.1:0: this machine does not have that address",
  );
  assertStringIncludes(error.hint, "--listen");
  assert(error.cause instanceof Error);
});

Deno.test("listenError() knows the usual failures and keeps the words of others", () => {
  const state = (cause: unknown) => listenError(cause, WHERE).message;
  assertStringIncludes(state(new Deno.errors.AddrInUse()), "another program uses this port");
  assertStringIncludes(
    state(new Deno.errors.PermissionDenied()),
    "this user may not open that port",
  );
  assertEquals(state(new Error("the sky fell")), "Cannot listen on 0.0.0.0:5001: the sky fell");
  assertEquals(state("just text"), "Cannot listen on 0.0.0.0:5001: just text");
  assertStringIncludes(listenError(new Error("x"), { ...WHERE, what: "--http" }).hint, "--http");
});

Deno.test("showAddress() puts IPv6 addresses into brackets", () => {
  assertEquals(showAddress("10.0.0.5", 5001), "10.0.0.5:5001");
  assertEquals(showAddress("::1", 5001), "[::1]:5001");
});

for (
  const [address, plain] of [
    ["10.0.0.5", "10.0.0.5"],
    ["::ffff:10.0.0.5", "10.0.0.5"],
    ["::FFFF:10.0.0.5", "10.0.0.5"],
    ["::1", "::1"],
    ["::ffff:a00:5", "::ffff:a00:5"],
    ["2001:db8::ffff:1", "2001:db8::ffff:1"],
  ] as const
) {
  Deno.test(`plainAddress() shows ${address} as ${plain}`, () => {
    assertEquals(plainAddress(address), plain);
  });
}

/** A port whose accept() does what the test says, in order, and then waits. */
function fakePort(outcomes: (AcceptedSocket | Error)[]) {
  let ended = (_error: Error) => {};
  const accept = (): Promise<AcceptedSocket> => {
    const next = outcomes.shift();
    if (next instanceof Error) return Promise.reject(next);
    if (next !== undefined) return Promise.resolve(next);
    return new Promise((_, reject) => ended = reject);
  };
  return { accept, end: () => ended(new Deno.errors.BadResource("Listener has been closed")) };
}

function begin(outcomes: (AcceptedSocket | Error)[]) {
  const clock = new FakeClock();
  const port = fakePort(outcomes);
  const abort = new AbortController();
  const accepted: AcceptedSocket[] = [];
  const warnings: unknown[] = [];
  const log = { warn: (_: string, properties: unknown) => warnings.push(properties) };
  const done = acceptAll(port, {
    onConnection: (socket) => void accepted.push(socket),
    clock,
    log: log as unknown as Logger,
    signal: abort.signal,
  });
  const stop = async () => {
    abort.abort();
    port.end();
    await clock.advance(50);
    await done;
  };
  return { clock, accepted, warnings, stop };
}

function socket(): AcceptedSocket {
  return {
    remoteAddr: { transport: "tcp", hostname: "10.0.0.7", port: 1 },
    read: () => Promise.resolve(null),
    write: (bytes) => Promise.resolve(bytes.length),
    close: () => {},
  };
}

Deno.test("acceptAll() goes on after a failed accept, 50 ms later", async () => {
  const { clock, accepted, warnings, stop } = begin([
    socket(),
    new Error("Too many open files"),
    new Error("Too many open files"),
    socket(),
  ]);
  await clock.advance(0);
  assertEquals(accepted.length, 1);
  await clock.advance(99);
  assertEquals(accepted.length, 1);
  await clock.advance(1);
  assertEquals(accepted.length, 2);
  assertEquals(warnings, [{ message: "Too many open files" }]);
  await stop();
});

Deno.test("acceptAll() logs a lasting failure every 10 s and not more often", async () => {
  const failures = Array.from({ length: 1_000 }, () => new Error("Too many open files"));
  const { clock, warnings, stop } = begin(failures);
  await clock.advance(30_000);
  assertEquals(warnings.length, 3);
  await stop();
});

Deno.test("acceptAll() survives a handler that throws", async () => {
  const clock = new FakeClock();
  const port = fakePort([socket(), socket()]);
  const abort = new AbortController();
  let calls = 0;
  const done = acceptAll(port, {
    onConnection: () => {
      calls++;
      throw new Error("a mistake");
    },
    clock,
    log: { warn: () => {} } as unknown as Logger,
    signal: abort.signal,
  });
  await clock.advance(100);
  assertEquals(calls, 2);
  abort.abort();
  port.end();
  await done;
  assertEquals(clock.waiting, 0);
});

Deno.test("acceptAll() ends quietly when the port is closed on purpose", async () => {
  const { clock, warnings, stop } = begin([]);
  await clock.advance(0);
  await stop();
  assertEquals([warnings, clock.waiting], [[], 0]);
});

Deno.test("acceptAll() on a real port hands every connection over", async () => {
  const listener = listen("127.0.0.1", 0);
  const abort = new AbortController();
  const sockets: AcceptedSocket[] = [];
  const all = Promise.withResolvers<void>();
  const done = acceptAll(listener, {
    onConnection: (socket) => {
      sockets.push(socket);
      if (sockets.length === 5) all.resolve();
    },
    clock: systemClock,
    log: { warn: () => {} } as unknown as Logger,
    signal: abort.signal,
  });
  const { hostname, port } = listener.addr;
  const clients = await Promise.all(
    Array.from({ length: 5 }, () => Deno.connect({ hostname, port })),
  );
  await all.promise;
  abort.abort();
  listener.close();
  await done;
  for (const end of [...clients, ...sockets]) end.close();
});
