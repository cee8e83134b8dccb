/**
 * The routes of the local HTTP API. Every one needs the token; what a request says is checked here.
 *
 * @module
 */

import { Hono, type MiddlewareHandler } from "hono";
import * as v from "valibot";
import { equalInConstantTime } from "../../protocol/mod.ts";
import { OperationError } from "../operation_error.ts";
import type { Operations } from "../operations.ts";
import type { ServerParts } from "../parts.ts";
import { RateLimit } from "../rate_limit.ts";
import { EVENT_KINDS } from "../store_record.ts";

/** Largest request body, in bytes. */
const MAX_BODY_BYTES = 128 * 1024;
/** Wrong tokens that are answered at once, and the time in which one more is, in milliseconds. */
const WRONG_TOKEN_BURST = 10;
const WRONG_TOKEN_REFILL_MS = 1_000;
/** Ids that one request may ask about. */
const MAX_IDS = 10_000;
/** Files that one request may push. */
const MAX_FILES = 1_000;
/** Hosts by which this machine's own programs call the API; others are DNS rebinding. */
const LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"];

const STATUS = {
  not_found: 404,
  bad_request: 400,
  queue_full: 409,
  unreadable: 422,
  no_space: 507,
} as const;

const inviteBody = v.object({
  name: v.optional(v.string()),
  tags: v.optional(v.array(v.string()), []),
  uses: v.optional(v.number(), 1),
  ttl_ms: v.optional(v.number(), 24 * 3_600_000),
  addresses: v.optional(v.array(v.string()), []),
});
const messageBody = v.object({
  who: v.string(),
  text: v.string(),
  expires_ms: v.optional(v.number()),
});
const pushBody = v.object({
  who: v.string(),
  files: v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(MAX_FILES)),
});
const idsBody = v.object({ ids: v.pipe(v.array(v.string()), v.maxLength(MAX_IDS)) });
const author = { by: v.string(), note: v.optional(v.string()) };
const span = {
  for_ms: v.optional(v.number()),
  until_back: v.optional(v.boolean()),
  every: v.optional(v.string()),
  zone: v.optional(v.string()),
};
const overlayBody = v.object({ who: v.string(), ...author, ...span });
const removeBody = v.object({ id: v.number(), ...author });
const backupBody = v.object({ path: v.string() });
const whoBody = v.object({ who: v.string() });
const logQuery = v.object({
  who: v.optional(v.string()),
  kind: v.optional(v.pipe(
    v.string(),
    v.transform((kinds) => kinds.split(",")),
    v.array(v.picklist(EVENT_KINDS)),
  )),
  since: v.optional(v.pipe(v.string(), v.transform(Number), v.safeInteger())),
});

/** What the routes need. */
export interface ApiRoutesOptions {
  operations: Operations;
  parts: ServerParts;
  token: string;
  /** The host that the API listens on, besides this machine's own names. */
  hostname: string;
  /** Aborts when the server stops. */
  stopping: AbortSignal;
}

/** Makes the routes. */
export function apiRoutes(options: ApiRoutesOptions): Hono {
  const { operations } = options;
  const app = new Hono();
  app.use("*", guard(options));
  app.onError((error, context) => {
    if (error instanceof OperationError) {
      const { code, message, hint } = error;
      return context.json({ error: { code, message, hint } }, STATUS[code]);
    }
    if (error instanceof v.ValiError) {
      const message = `Cannot read the request: ${error.message}`;
      return context.json({ error: { code: "bad_request", message } }, 400);
    }
    options.parts.log.error("Cannot answer {path}: {error}", {
      path: context.req.path,
      error: String(error),
    });
    return context.json({ error: { code: "failed", message: error.message } }, 500);
  });
  app.notFound((context) =>
    context.json({ error: { code: "not_found", message: "Cannot find that route" } }, 404)
  );
  app.get("/api/clients", (context) => context.json(operations.clients()));
  app.get(
    "/api/files",
    async (context) => context.json(await operations.files(context.req.query("who"))),
  );
  app.get(
    "/api/alerts",
    async (context) => context.json(await operations.alerts(context.req.query("open") === "1")),
  );
  app.post("/api/invites", async ({ req, json }) => {
    const { ttl_ms: ttlMs, ...invite } = v.parse(inviteBody, await body(req.raw));
    return json(await operations.invite({ ...invite, ttlMs }));
  });
  app.post("/api/messages", async ({ req, json }) => {
    const { who, text, expires_ms: expiresMs } = v.parse(messageBody, await body(req.raw));
    return json(await operations.message(who, text, { expiresMs }));
  });
  app.post("/api/messages/states", async ({ req, json }) => {
    const { ids } = v.parse(idsBody, await body(req.raw));
    return json(await operations.messageStates(ids));
  });
  app.post("/api/pushes", async ({ req, json }) => {
    const { who, files: paths } = v.parse(pushBody, await body(req.raw));
    // Whoever does not wait for the answer any more does not want the copies either.
    return json(await operations.push(who, { paths, signal: req.raw.signal }));
  });
  app.post("/api/pushes/states", async ({ req, json }) => {
    const { ids } = v.parse(idsBody, await body(req.raw));
    return json(await operations.pushStates(ids));
  });
  app.post("/api/revoke", async ({ req, json }) => {
    const { who } = v.parse(whoBody, await body(req.raw));
    return json(await operations.revoke(who));
  });
  alertRoutes(app, options);
  app.get("/api/report", async ({ req, json }) => {
    const { who, month, zone } = req.query();
    return json(await operations.report(who, { month, zone }));
  });
  app.post("/api/backup", async ({ req, json }) => {
    const { path } = v.parse(backupBody, await body(req.raw));
    return json(await operations.backup(path));
  });
  app.get("/api/log", async ({ req, json }) => {
    const { who, kind: kinds, since } = v.parse(logQuery, req.query());
    const request = { who, kinds, since };
    if (req.query("follow") !== "1") return json(await operations.log(request));
    return new Response(lines(operations.follow.bind(operations, request), options.stopping), {
      headers: { "content-type": "application/x-ndjson", "cache-control": "no-store" },
    });
  });
  return app;
}

/** The routes by which operators act upon alerts. */
function alertRoutes(app: Hono, { operations: { alerting } }: ApiRoutesOptions): void {
  const read = async (request: Request) => {
    const { who, by, note, ...rest } = v.parse(overlayBody, await body(request));
    const { for_ms: forMs, until_back: untilBack, every, zone } = rest;
    return { who, request: { by, note, forMs, untilBack, every, zone } };
  };
  app.post("/api/ack", async ({ req, json }) => {
    const { who, request } = await read(req.raw);
    return json(await alerting.acknowledge(who, request));
  });
  app.post("/api/snooze", async ({ req, json }) => {
    const { who, request } = await read(req.raw);
    return json(await alerting.snooze(who, request));
  });
  app.post("/api/maintenance", async ({ req, json }) => {
    const { who, request } = await read(req.raw);
    return json(await alerting.maintenance(who, request));
  });
  app.post("/api/plan", async ({ req, json }) => {
    const { who, request } = await read(req.raw);
    return json(await alerting.plan(who, request));
  });
  app.post(
    "/api/test-alert",
    async ({ req, json }) =>
      json(await alerting.test(v.parse(v.object(author), await body(req.raw)))),
  );
  app.get("/api/plans", (context) => context.json(alerting.plans()));
  app.post("/api/plans/remove", async ({ req, json }) => {
    const { id, ...by } = v.parse(removeBody, await body(req.raw));
    return json(await alerting.remove(id, by));
  });
}

/** Lets only this machine's own programs with the token in; wrong tokens are slowed down and noted. */
function guard({ parts, token, hostname }: ApiRoutesOptions): MiddlewareHandler {
  const { clock, timeline } = parts;
  const limit = new RateLimit({
    clock,
    burst: WRONG_TOKEN_BURST,
    refillMs: WRONG_TOKEN_REFILL_MS,
  });
  const hosts = [...LOCAL_HOSTS, hostname.includes(":") ? `[${hostname}]` : hostname];
  const wanted = new TextEncoder().encode(`Bearer ${token}`);
  return async (context, next) => {
    const host = (context.req.header("host") ?? "").replace(/:\d+$/, "");
    const foreign = context.req.header("origin") !== undefined || !hosts.includes(host);
    const given = new TextEncoder().encode(context.req.header("authorization") ?? "");
    if (!foreign && equalInConstantTime(given, wanted)) return await next();
    if (limit.take("token") === undefined) {
      return context.json({ error: { code: "refused", message: "Too many wrong tokens" } }, 429);
    }
    await timeline.audit("api_refused", { address: "api", path: context.req.path, foreign });
    const message = "Cannot let this request in: it has no valid token, or came from a web page";
    return context.json({ error: { code: "refused", message } }, 401);
  };
}

/** Reads a JSON body of bounded size. */
async function body(request: Request): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) {
      throw new OperationError(
        "bad_request",
        `Cannot read the request as it must be <= ${MAX_BODY_BYTES} bytes`,
      );
    }
    chunks.push(chunk);
  }
  try {
    return JSON.parse(await new Blob(chunks as BlobPart[]).text());
  } catch {
    throw new OperationError("bad_request", "Cannot read the request: it is no JSON");
  }
}

/** A stream of JSON lines, pulled one by one so that a slow reader holds nothing up. */
function lines(
  follow: (signal: AbortSignal) => AsyncGenerator<object>,
  stopping: AbortSignal,
): ReadableStream<Uint8Array> {
  const abort = new AbortController();
  const stop = () => abort.abort();
  const events = follow(abort.signal);
  stopping.addEventListener("abort", stop, { once: true });
  if (stopping.aborted) stop();
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await events.next();
      if (done) {
        stopping.removeEventListener("abort", stop);
        return controller.close();
      }
      controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
    },
    cancel: () => {
      stopping.removeEventListener("abort", stop);
      abort.abort();
    },
  }, { highWaterMark: 0 });
}
