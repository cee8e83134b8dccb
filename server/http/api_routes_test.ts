import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { fakeOperations } from "../fake_operator.ts";
import { FakeServer } from "../fake_server.ts";
import { StoreError } from "../store.ts";
import { apiRoutes } from "./api_routes.ts";

const TOKEN = "the-right-token";
const HOST = "127.0.0.1:5080";
const RIGHT = { host: HOST, authorization: `Bearer ${TOKEN}` };
const MAX_BODY_BYTES = 128 * 1024;

async function begin(options: { hostname?: string } = {}) {
  const server = await FakeServer.start();
  const stopping = new AbortController();
  const routes = apiRoutes({
    operations: fakeOperations(server),
    parts: server.parts,
    token: TOKEN,
    hostname: options.hostname ?? "127.0.0.1",
    stopping: stopping.signal,
  });
  const ask = async (path: string, init: RequestInit = {}) =>
    await routes.fetch(new Request(`http://${HOST}${path}`, { headers: RIGHT, ...init }));
  const get = async (path: string) => await (await ask(path)).json();
  const post = async (path: string, body: unknown) => {
    const response = await ask(path, { method: "POST", body: JSON.stringify(body) });
    return { status: response.status, body: await response.json() };
  };
  const dispose = () => server[Symbol.asyncDispose]();
  return { server, stopping, ask, get, post, [Symbol.asyncDispose]: dispose };
}

const ROUTES = [
  ["GET", "/api/clients"],
  ["GET", "/api/files"],
  ["GET", "/api/alerts"],
  ["GET", "/api/log"],
  ["GET", "/api/log?follow=1"],
  ["POST", "/api/invites"],
  ["POST", "/api/messages"],
  ["POST", "/api/messages/states"],
  ["POST", "/api/pushes"],
  ["POST", "/api/pushes/states"],
  ["POST", "/api/revoke"],
  ["GET", "/no/such/route"],
] as const;

for (const [method, path] of ROUTES) {
  Deno.test(`${method} ${path} lets nobody in without the token`, async () => {
    await using place = await begin();
    const response = await place.ask(path, { method, headers: { host: HOST } });
    assertEquals(response.status, 401);
    const { error } = await response.json();
    assertEquals(error.code, "refused");
  });
}

Deno.test("a wrong token is refused in the same words, whatever is wrong with it", async () => {
  await using place = await begin();
  const wrong = [
    undefined,
    "",
    TOKEN,
    `bearer ${TOKEN}`,
    `Bearer ${TOKEN} `.slice(0, -2),
    `Bearer ${TOKEN}x`,
    `Basic ${btoa(`x:${TOKEN}`)}`,
    `Bearer ${"x".repeat(TOKEN.length)}`,
  ];
  const answers = new Set<string>();
  for (const authorization of wrong) {
    const headers = new Headers({ host: HOST });
    if (authorization !== undefined) headers.set("authorization", authorization);
    const response = await place.ask("/api/clients", { headers });
    answers.add(`${response.status} ${await response.text()}`);
  }
  assertEquals(answers.size, 1);
  assertStringIncludes([...answers][0] ?? "", "401");
});

Deno.test("wrong tokens are slowed down and noted, and the right one works all the while", async () => {
  await using place = await begin();
  const { server, ask } = place;
  const attempt = async () => (await ask("/api/clients", { headers: { host: HOST } })).status;
  const statuses = [];
  for (let count = 0; count < 13; count++) statuses.push(await attempt());
  assertEquals(statuses, [...Array(10).fill(401), 429, 429, 429]);
  assertEquals((await ask("/api/clients")).status, 200);
  await server.clock.advance(1_000);
  assertEquals([await attempt(), await attempt()], [401, 429]);
  assertEquals(server.audits().length, 10);
  assertEquals(server.audits()[0], {
    action: "api_refused",
    address: "api",
    path: "/api/clients",
    foreign: false,
  });
});

Deno.test("a request from a web page is refused even with the right token", async () => {
  await using place = await begin();
  for (const origin of ["http://evil.example", "null", `http://${HOST}`]) {
    const response = await place.ask("/api/clients", { headers: { ...RIGHT, origin } });
    assertEquals(response.status, 401, origin);
  }
});

Deno.test("a request under another host name is refused: DNS rebinding", async () => {
  await using place = await begin();
  const status = async (host: string) =>
    (await place.ask("/api/clients", { headers: { ...RIGHT, host } })).status;
  for (
    const host of ["evil.example", "evil.example:5080", "127.0.0.1.evil.example", "", "10.0.0.1"]
  ) {
    assertEquals(await status(host), 401, host);
  }
  for (const host of ["127.0.0.1", "127.0.0.1:5080", "localhost:1", "[::1]:5080", "[::1]"]) {
    assertEquals(await status(host), 200, host);
  }
});

for (
  const [hostname, host] of [["10.0.0.1", "10.0.0.1:5080"], ["fd00::1", "[fd00::1]:5080"]] as const
) {
  Deno.test(`an API that listens on ${hostname} answers under that name`, async () => {
    await using place = await begin({ hostname });
    const response = await place.ask("/api/clients", { headers: { ...RIGHT, host } });
    assertEquals(response.status, 200);
  });
}

Deno.test("GET /api/clients gives everyone as JSON", async () => {
  await using place = await begin();
  const { server, get } = place;
  assertEquals(await get("/api/clients"), []);
  await server.connect(await server.enrol("till-3", ["shop"]));
  const [client] = await get("/api/clients");
  assertEquals([client.name, client.state, client.tags], ["till-3", "UP", ["shop"]]);
});

Deno.test("POST /api/invites gives a key and when it ends", async () => {
  await using place = await begin();
  const { server, post } = place;
  const { status, body } = await post("/api/invites", {});
  assertEquals(status, 200);
  assertEquals(Object.keys(body), ["key", "expires_at"]);
  assertEquals(body.expires_at, new Date(server.clock.wall() + 24 * 3_600_000).toISOString());
  const all = { name: "till-3", tags: ["a"], uses: 1, ttl_ms: 1_000, addresses: ["a:1"] };
  assertEquals((await post("/api/invites", all)).status, 200);
  assertEquals(server.audits()[1]?.name, "till-3");
});

Deno.test("POST /api/messages queues, and /states says how far they have come", async () => {
  await using place = await begin();
  const { server, post } = place;
  const peer = await server.connect(await server.enrol("till-3"));
  const { body } = await post("/api/messages", { who: "till-3", text: "hello" });
  const { id, text } = await peer.expect("MESSAGE");
  assertEquals([body, text], [{ ids: [id], away: [] }, "hello"]);
  peer.send({ verb: "RECEIPT", ids: [id], state: "shown" });
  peer.send({ verb: "HEARTBEAT", seq: 0, at: 1 });
  await peer.expect("BEAT");
  const states = await post("/api/messages/states", { ids: body.ids });
  assertEquals(states.body, [{ id, state: "shown" }]);
});

Deno.test("POST /api/pushes queues files, and /states says how far they have come", async () => {
  await using place = await begin();
  const { server, post } = place;
  const file = join(server.directory, "a.txt");
  await Deno.writeTextFile(file, "hello");
  const peer = await server.connect(await server.enrol("till-3"));
  const { body } = await post("/api/pushes", { who: "till-3", files: [file] });
  const { id, size } = await peer.expect("PUSH");
  assertEquals([body, size], [{ ids: [id], refused: [] }, 5]);
  await server.until(() => server.tables.pushStates([id])[0]?.state === "sent");
  const view = { id, client: "till-3", name: "a.txt", as: null, reason: null };
  const ids = { ids: body.ids };
  assertEquals((await post("/api/pushes/states", ids)).body, [{ ...view, state: "sent" }]);
  peer.send({ verb: "REJECT", id, code: "denied", reason: "no", retry: false });
  await server.until(() => server.pushes.length === 1);
  const [refused] = (await post("/api/pushes/states", ids)).body;
  assertEquals(refused, { ...view, state: "refused", reason: "denied: no" });
});

Deno.test("POST /api/pushes says what is wrong with a file, by status and code", async () => {
  await using place = await begin();
  const { server, post } = place;
  await server.connect(await server.enrol("till-3"));
  const cases = [
    [[join(server.directory, "absent")], 422, "unreadable"],
    [[server.directory], 400, "bad_request"],
    [[], 400, "bad_request"],
    [Array(1_001).fill("/x"), 400, "bad_request"],
    ["/x", 400, "bad_request"],
  ] as const;
  for (const [files, status, code] of cases) {
    const answer = await post("/api/pushes", { who: "till-3", files });
    assertEquals([answer.status, answer.body.error.code], [status, code]);
  }
  assertEquals(server.tables.files(), []);
});

Deno.test("GET /api/files and /api/alerts filter as asked", async () => {
  await using place = await begin();
  const { server, get } = place;
  await server.connect(await server.enrol("till-3"));
  assertEquals(await get("/api/files"), []);
  assertEquals(await get("/api/files?who=till-3"), []);
  assertEquals((await get("/api/files?who=nobody")).error.code, "not_found");
  await server.clock.advance(50_000);
  assertEquals((await get("/api/alerts?open=1")).length, 1);
  assertEquals((await get("/api/alerts"))[0].clients, ["till-3"]);
});

Deno.test("POST /api/revoke shuts a client out", async () => {
  await using place = await begin();
  const { server, get, post } = place;
  const peer = await server.connect(await server.enrol("till-3"));
  assertEquals(await post("/api/revoke", { who: "till-3" }), {
    status: 200,
    body: { revoked: "till-3" },
  });
  assertEquals((await peer.expect("REFUSE")).code, "revoked");
  assertEquals(await get("/api/clients"), []);
});

Deno.test("GET /api/log filters by client, kind and time", async () => {
  await using place = await begin();
  const { server, get } = place;
  const peer = await server.connect(await server.enrol("till-3"));
  peer.send({ verb: "HEARTBEAT", seq: 0, at: 1 });
  await peer.expect("BEAT");
  const kinds = async (query: string) =>
    (await get(`/api/log?${query}`)).map(({ kind }: { kind: string }) => kind);
  assertEquals(await kinds(""), ["state", "beat"]);
  assertEquals(await kinds("kind=beat"), ["beat"]);
  assertEquals(await kinds("kind=beat,state&who=till-3"), ["state", "beat"]);
  assertEquals(await kinds(`since=${server.clock.wall() + 1}`), []);
});

for (
  const [path, body] of [
    ["/api/invites", { uses: "many" }],
    ["/api/invites", { name: "../x" }],
    ["/api/messages", { who: "x" }],
    ["/api/messages", { who: "x", text: 5 }],
    ["/api/messages", null],
    ["/api/messages/states", { ids: "x" }],
    ["/api/messages/states", { ids: Array(10_001).fill("x") }],
    ["/api/revoke", {}],
  ] as const
) {
  Deno.test(`POST ${path} refuses ${JSON.stringify(body).slice(0, 40)} as a bad request`, async () => {
    await using place = await begin();
    const { status, body: answer } = await place.post(path, body);
    assertEquals([status, answer.error.code], [400, "bad_request"]);
    assertStringIncludes(answer.error.message, "Cannot");
  });
}

for (const query of ["kind=nonsense", "kind=beat,nonsense", "since=yesterday", "since=1.5"]) {
  Deno.test(`GET /api/log refuses ${query} as a bad request`, async () => {
    await using place = await begin();
    assertEquals((await place.ask(`/api/log?${query}`)).status, 400);
    assertEquals((await place.ask(`/api/log?follow=1&${query}`)).status, 400);
  });
}

Deno.test("GET /api/log?follow=1 of an unknown client is refused before the stream begins", async () => {
  await using place = await begin();
  assertEquals((await place.ask("/api/log?follow=1&who=nobody")).status, 404);
});

Deno.test("a body that is no JSON is a bad request", async () => {
  await using place = await begin();
  const response = await place.ask("/api/revoke", { method: "POST", body: "{" });
  assertEquals(response.status, 400);
  assertEquals((await place.ask("/api/revoke", { method: "POST" })).status, 400);
});

for (const off of [-1, 0, 1]) {
  Deno.test(`a body of ${MAX_BODY_BYTES + off} bytes is ${off <= 0 ? "read" : "refused"}`, async () => {
    await using place = await begin();
    const head = '{"who":"nobody","pad":"';
    const body = `${head}${"x".repeat(MAX_BODY_BYTES + off - head.length - 2)}"}`;
    assertEquals(body.length, MAX_BODY_BYTES + off);
    const response = await place.ask("/api/revoke", { method: "POST", body });
    assertEquals(response.status, off <= 0 ? 404 : 400);
  });
}

Deno.test("an endless body is not read to its end", async () => {
  await using place = await begin();
  let pulls = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      pulls++;
      controller.enqueue(new Uint8Array(64 * 1024));
    },
  });
  assertEquals((await place.ask("/api/revoke", { method: "POST", body })).status, 400);
  assert(pulls < 10, `${pulls} chunks were read`);
});

Deno.test("an unknown route and a wrong method are not found", async () => {
  await using place = await begin();
  for (const [method, path] of [["GET", "/"], ["POST", "/api/clients"], ["GET", "/api/revoke"]]) {
    const response = await place.ask(path ?? "", { method: method ?? "" });
    assertEquals(response.status, 404);
    assertEquals((await response.json()).error.code, "not_found");
  }
});

Deno.test("a full queue is a conflict, with a hint", async () => {
  await using place = await begin();
  const { server, post } = place;
  await server.connect(await server.enrol("till-3"), { role: "tool" });
  const [client] = server.tables.clients();
  for (let count = 0; count < 1_000; count++) {
    server.tables.queueMessage({ id: `m${count}`, client: client?.id ?? "", at: 0, text: "x" });
  }
  const { status, body } = await post("/api/messages", { who: "till-3", text: "x" });
  assertEquals([status, body.error.code], [409, "queue_full"]);
  assert(body.error.hint !== "");
});

Deno.test("a failing store is an answer, and the next request is served", async () => {
  await using place = await begin();
  const { server, get } = place;
  server.fail("alerts", new StoreError("Cannot use the database: it is damaged"));
  const { error } = await get("/api/alerts");
  assertEquals(error, { code: "failed", message: "Cannot use the database: it is damaged" });
  server.fail("alerts", undefined);
  assertEquals(await get("/api/alerts"), []);
});

/** Reads a stream line by line. */
function lineReader(response: Response) {
  const reader = (response.body ?? new Blob().stream()).pipeThrough(new TextDecoderStream())
    .getReader();
  let rest = "";
  const next = async (): Promise<Record<string, unknown> | undefined> => {
    while (!rest.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) return undefined;
      rest += value;
    }
    const [line = "", ...others] = rest.split("\n");
    rest = others.join("\n");
    return JSON.parse(line);
  };
  return { next, cancel: () => reader.cancel() };
}

Deno.test("GET /api/log?follow=1 streams what there is and what happens, until the server stops", async () => {
  await using place = await begin();
  const { server, stopping, ask } = place;
  const response = await ask("/api/log?follow=1&kind=state,message");
  assertEquals(response.headers.get("content-type"), "application/x-ndjson");
  const lines = lineReader(response);
  const peer = await server.connect(await server.enrol("till-3"));
  assertEquals((await lines.next())?.state, "UP");
  const id = "019aa8d0-0000-7000-8000-000000000001";
  peer.send({ verb: "MESSAGE", id, at: 1, text: "hello" });
  const { at: _at, ...message } = await lines.next() ?? {};
  assertEquals(message, {
    client: "till-3",
    kind: "message",
    id,
    from: "till-3",
    to: "server",
    text: "hello",
    state: "stored",
    expires_at: null,
    stored_at: new Date(server.clock.wall()).toISOString(),
    shown_at: null,
  });
  stopping.abort();
  assertEquals(await lines.next(), undefined);
});

Deno.test("a stream that is asked for while the server stops ends at once", async () => {
  await using place = await begin();
  place.stopping.abort();
  assertEquals(await lineReader(await place.ask("/api/log?follow=1")).next(), undefined);
});

Deno.test("a follower that goes away leaves nothing behind", async () => {
  await using place = await begin();
  const { server, ask } = place;
  await server.connect(await server.enrol("till-3"));
  const lines = lineReader(await ask("/api/log?follow=1"));
  assertEquals((await lines.next())?.kind, "state");
  await lines.cancel();
  await server.clock.advance(50_000);
});

Deno.test("a follower that does not read holds nothing up", async () => {
  await using place = await begin();
  const { server, stopping, ask } = place;
  const lines = lineReader(await ask("/api/log?follow=1&kind=message"));
  const peer = await server.connect(await server.enrol("till-3"));
  const id = (number: number) => `019aa8d0-0000-7000-8000-${String(number).padStart(12, "0")}`;
  for (let number = 0; number < 200; number++) {
    peer.send({ verb: "MESSAGE", id: id(number), at: 1, text: "hello" });
    await peer.expect("RECEIPT");
  }
  for (let number = 0; number < 200; number++) {
    assertEquals((await lines.next())?.id, id(number));
  }
  stopping.abort();
  assertEquals(await lines.next(), undefined);
});
