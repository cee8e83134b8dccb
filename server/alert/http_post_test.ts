import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { systemClock } from "../../platform/clock.ts";
import { ChannelError } from "./channel.ts";
import { FakeWorld, NEVER } from "./fake_world.ts";
import { httpPost, type HttpRequest } from "./http_post.ts";

function request(other: Partial<HttpRequest> = {}): HttpRequest {
  const url = new URL("https://hooks.example.org/path");
  return { url, secrets: [], mayBePrivate: true, body: "{}", ...NEVER, ...other };
}

function failure(world: FakeWorld, other: Partial<HttpRequest> = {}): Promise<ChannelError> {
  return assertRejects(() => httpPost(request(other), world), ChannelError);
}

Deno.test("httpPost() takes every 2xx for a success and follows no redirect", async () => {
  const world = new FakeWorld();
  for (const status of [200, 201, 202, 204]) {
    world.answer = () => new Response(status === 204 ? null : "x", { status });
    await httpPost(request(), world);
  }
  assertEquals(world.requests[0]?.redirect, "manual");
  world.answer = () => new Response("", { status: 302, headers: { location: "http://10.0.0.1/" } });
  const { message, retry } = await failure(world);
  assertMatch(message, /^Cannot send to hooks\.example\.org: it answered 302, a redirect/);
  assertEquals([retry, world.requests.length, world.clock.waiting], [true, 5, 0]);
});

Deno.test("httpPost() waits for no words of whoever has taken the notice", async () => {
  const world = new FakeWorld();
  let isCancelled = false;
  world.answer = () =>
    new Response(new ReadableStream({ cancel: () => void (isCancelled = true) }));
  await httpPost(request(), world);
  assertEquals([isCancelled, world.clock.waiting], [true, 0]);
});

Deno.test("httpPost() tells a refused notice from a wrong secret and from a server in trouble", async () => {
  const world = new FakeWorld();
  const found: unknown[] = [];
  for (const status of [400, 403, 404, 429, 500, 503]) {
    world.answer = () => new Response("why not", { status });
    const { message, retry, refused } = await failure(world);
    found.push([status, retry, refused, message.includes("check its address and secret")]);
    assert(message.endsWith("(why not)"), message);
  }
  assertEquals(found, [
    [400, true, true, false],
    [403, true, false, true],
    [404, true, false, true],
    [429, true, false, false],
    [500, true, false, false],
    [503, true, false, false],
  ]);
});

Deno.test("httpPost() reads Retry-After in seconds and as a moment", async () => {
  const world = new FakeWorld();
  const moment = new Date(world.clock.wall() + 90_000).toUTCString();
  const waits: unknown[] = [];
  for (const text of ["120", moment, "Wed, 21 Oct 2015 07:28:00 GMT", "soon"]) {
    world.answer = () => new Response("", { status: 503, headers: { "retry-after": text } });
    waits.push((await failure(world)).waitMs);
  }
  assertEquals(waits, [120_000, 90_000, 0, undefined]);
});

Deno.test("httpPost() gives up after 30 seconds, and when it is called off", async () => {
  const world = new FakeWorld();
  world.answer = () => new Promise<Response>(() => {});
  const late = failure(world);
  await world.clock.advance(30_000);
  assertMatch((await late).message, /no answer within 30 s/);
  const calling = new AbortController();
  const off = failure(world, { signal: calling.signal });
  calling.abort();
  assertMatch((await off).message, /it was called off/);
  assertEquals(world.clock.waiting, 0);
});

Deno.test("httpPost() refuses what is private or cannot be known to be public, at every try", async () => {
  const world = new FakeWorld();
  world.addresses = {
    "hooks.example.org": ["1.1.1.1", "2606:4700::1111"],
    "sneaky.example.org": ["1.1.1.1", "10.0.0.5"],
    "empty.example.org": [],
  };
  await httpPost(request({ mayBePrivate: false }), world);
  assertEquals(world.requests.length, 1);
  const refused = [
    ...[
      "https://sneaky.example.org/",
      "https://unknown.example.org/",
      "https://empty.example.org/",
    ],
    ...[
      "http://127.0.0.1:8080/",
      "http://[::1]/",
      "http://169.254.169.254/latest",
      "http://0x7f.1/",
    ],
    ...["http://2130706433/", "http://[::ffff:10.0.0.1]/", "http://localhost/"],
  ];
  for (const url of refused) {
    const { message } = await failure(world, { url: new URL(url), mayBePrivate: false });
    assertMatch(message, /private/);
  }
  world.addresses["hooks.example.org"] = ["192.168.1.1"];
  await failure(world, { mayBePrivate: false });
  assertEquals(world.requests.length, 1);
});

Deno.test("httpPost() speaks with a real server and says in words why there is none", async () => {
  const world = { clock: systemClock, fetch, resolve: () => Promise.resolve([]) };
  const seen: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (got) => {
    seen.push(`${got.method} ${new URL(got.url).pathname} ${await got.text()}`);
    if (got.url.endsWith("/long")) return new Response("x".repeat(1_000_000));
    if (got.url.endsWith("/away")) return Response.redirect(new URL("/other", got.url));
    return new Response("busy", { status: 503 });
  });
  const { port } = server.addr;
  const at = (path: string) => new URL(`http://127.0.0.1:${port}${path}`);
  await httpPost(request({ url: at("/long"), body: "hello" }), world);
  const away = await assertRejects(() => httpPost(request({ url: at("/away") }), world));
  assertMatch(String(away), /it answered 302, a redirect/);
  const busy = await assertRejects(() => httpPost(request({ url: at("/busy") }), world));
  assertMatch(String(busy), /it answered 503 \(busy\)/);
  assertEquals(seen, ["POST /long hello", "POST /away {}", "POST /busy {}"]);
  await server.shutdown();
  const gone = await assertRejects(() => httpPost(request({ url: at("/Secret123") }), world));
  assertMatch(String(gone), /Cannot send to 127\.0\.0\.1:\d+: .*refused/i);
  assert(!String(gone).includes("Secret123"));
  const unknown = new URL("https://no-such-host.invalid/Secret123");
  const nowhere = await assertRejects(() => httpPost(request({ url: unknown }), world));
  assertMatch(String(nowhere), /dns error/);
  assert(!String(nowhere).includes("Secret123"));
});
