import { assertEquals } from "@std/assert";
import type { DeliveryRecord } from "./alert/delivery.ts";
import { alertView, clientView, eventView, fileView, pushView } from "./json_view.ts";
import { newPresence } from "./presence.ts";
import type { Member } from "./roster.ts";
import type { AlertRecord, ClientRecord } from "./store_record.ts";

const WALL = Date.UTC(2026, 10, 22, 10);
const NOW = 1_000_000;

const RECORD: ClientRecord = {
  id: "k1",
  name: "till-3",
  kind: "enrolled",
  publicKey: new Uint8Array(32),
  revoked: false,
  tags: ["shop"],
  app: "hbclient 1.0.0",
  address: "10.0.0.7",
  state: "DOWN",
  cause: "silent",
  stateSince: WALL - 60_000,
  lastSeen: WALL - 110_000,
  plannedUntil: undefined,
};

function member(record: Partial<ClientRecord> = {}, live: Partial<Member> = {}): Member {
  return {
    record: { ...RECORD, ...record },
    agent: undefined,
    others: new Set(),
    dataConnections: 0,
    dataSessions: 0,
    vitals: undefined,
    skewMs: undefined,
    ...live,
  };
}

const time = { now: NOW, wall: WALL };

Deno.test("clientView() has exactly the fields of the contract", () => {
  const presence = {
    ...newPresence(NOW - 5_000),
    state: "LATE" as const,
    cause: "silent" as const,
    connected: true,
    gapMs: 20_000.12345,
    jitterMs: 3.5,
    roundTripMs: 0.8126,
  };
  const vitals = { cpu: 0.5, up: 60 };
  assertEquals(clientView(member({}, { vitals, skewMs: -7 }), { presence, ...time }), {
    name: "till-3",
    state: "LATE",
    cause: "silent",
    since: "2026-11-22T09:59:00.000Z",
    last_seen: "2026-11-22T09:59:55.000Z",
    gap_ms: 20_000.123,
    jitter_ms: 3.5,
    rtt_ms: 0.813,
    skew_ms: -7,
    app: "hbclient 1.0.0",
    address: "10.0.0.7",
    tags: ["shop"],
    verified: true,
    classic: false,
    connected: true,
    overlay: [],
    vitals,
  });
});

Deno.test("clientView() says null for what is not known", () => {
  const view = clientView(member({ lastSeen: undefined, state: "PLANNED" }), {
    presence: undefined,
    ...time,
  });
  assertEquals(
    [view.state, view.cause, view.last_seen, view.gap_ms, view.jitter_ms, view.rtt_ms],
    ["PLANNED", null, null, null, null, null],
  );
  assertEquals([view.skew_ms, view.vitals, view.connected], [null, null, false]);
  const seen = clientView(member(), { presence: undefined, ...time });
  assertEquals(seen.last_seen, "2026-11-22T09:58:10.000Z");
});

for (const kind of ["enrolled", "open", "classic"] as const) {
  Deno.test(`clientView() tells ${kind} clients apart`, () => {
    const { verified, classic } = clientView(member({ kind }), { presence: undefined, ...time });
    assertEquals([verified, classic], [kind === "enrolled", kind === "classic"]);
  });
}

Deno.test("clientView() never shows a key", () => {
  const view = JSON.stringify(clientView(member(), { presence: undefined, ...time }));
  assertEquals([view.includes("publicKey"), view.includes("k1")], [false, false]);
});

Deno.test("fileView() has exactly the fields of the contract", () => {
  const file = {
    seq: 1,
    id: "t1",
    client: "k1",
    clientName: "till-3",
    direction: "in" as const,
    name: "a.txt",
    path: "/srv/till-3/a.txt",
    bytes: 5,
    sha256: "0".repeat(64),
    state: "stored",
    at: WALL,
  };
  assertEquals(fileView(file), {
    id: "t1",
    client: "till-3",
    direction: "in",
    name: "a.txt",
    path: "/srv/till-3/a.txt",
    bytes: 5,
    sha256: "0".repeat(64),
    state: "stored",
    at: "2026-11-22T10:00:00.000Z",
    as: null,
    reason: null,
  });
});

Deno.test("fileView() and pushView() say where a file to a client landed, or why it did not", () => {
  const push = {
    seq: 1,
    id: "t1",
    client: "k1",
    clientName: "till-3",
    direction: "out" as const,
    name: "setup.msi",
    path: "/home/op/setup.msi",
    content: "c1",
    bytes: 5,
    sha256: "0".repeat(64),
    at: WALL,
  };
  const stored = { ...push, state: "stored" as const, landed: "setup (2).msi" };
  const refused = { ...push, state: "refused" as const, reason: "denied: no" };
  const { as, reason } = fileView(stored);
  assertEquals([as, reason, fileView(refused).reason], ["setup (2).msi", null, "denied: no"]);
  const head = { id: "t1", client: "till-3", name: "setup.msi" };
  const rest = { reason: undefined, landed: undefined };
  assertEquals(pushView({ ...rest, ...stored }), {
    ...head,
    state: "stored",
    as: "setup (2).msi",
    reason: null,
  });
  assertEquals(pushView({ ...rest, ...refused }), {
    ...head,
    state: "refused",
    as: null,
    reason: "denied: no",
  });
});

Deno.test("alertView() has exactly the fields of the contract, open or resolved", () => {
  const member = {
    ...{ client: "k1", name: "till-3", status: "down" as const, cause: "silent" as const },
    ...{ lastSeenAt: WALL - 50_000, downAt: WALL, endedAt: undefined, downtimeMs: undefined },
    evidence: undefined,
  };
  const late = { ...member, client: "k2", name: "till-4", status: "left" as const };
  const alert: AlertRecord = {
    ...{ id: 7, kind: "down", state: "open", cause: "silent", severity: "critical" },
    ...{ scope: undefined, openedAt: WALL, toldAt: WALL, resolvedAt: undefined, words: undefined },
    acknowledgement: { by: "kim", note: "on my way", at: WALL + 1_000, until: undefined },
    evidence: { gap_ms: 20_000 },
    members: [member, { ...late, downAt: undefined, endedAt: WALL + 500 }],
  };
  const machine = {
    ...{ name: "till-3", status: "down", cause: "silent" },
    ...{ last_seen: "2026-11-22T09:59:10.000Z", down_at: "2026-11-22T10:00:00.000Z" },
    ...{ ended_at: null, downtime_ms: null },
  };
  const view = {
    ...{ id: 7, kind: "down", clients: ["till-3"], state: "open", cause: "silent" },
    ...{ severity: "critical", scope: null, opened_at: "2026-11-22T10:00:00.000Z" },
    ...{ told_at: "2026-11-22T10:00:00.000Z", resolved_at: null },
    ...{ acked_by: "kim", acked_at: "2026-11-22T10:00:01.000Z", acked_until: null },
    ...{ note: "on my way", evidence: { gap_ms: 20_000 } },
    machines: [
      machine,
      {
        ...{ ...machine, name: "till-4", status: "left", down_at: null },
        ended_at: "2026-11-22T10:00:00.500Z",
      },
    ],
    deliveries: [
      {
        ...{ channel: "console", kind: "alert", state: "delivered", attempts: 1, why: null },
        ...{ next_try_at: null, settled_at: "2026-11-22T10:00:00.000Z" },
      },
      {
        ...{ channel: "ops", kind: "alert", state: "waiting", attempts: 2, why: "it said 500" },
        ...{ next_try_at: "2026-11-22T10:00:20.000Z", settled_at: null },
      },
    ],
  };
  const delivery: DeliveryRecord = {
    ...{ notice: "n1", kind: "alert", title: "till-3 is DOWN", alert: 7, channel: "ops" },
    ...{ state: "waiting", escalates: false, attempts: 2, why: "it said 500", at: WALL },
    ...{ nextTryAt: WALL + 20_000, settledAt: undefined },
  };
  assertEquals(alertView(alert, [delivery]), view as ReturnType<typeof alertView>);
  const resolved = alertView({ ...alert, state: "resolved", resolvedAt: WALL + 1_000 });
  assertEquals([resolved.state, resolved.resolved_at], ["resolved", "2026-11-22T10:00:01.000Z"]);
});

Deno.test("eventView() gives messages the fields of the contract, both ways", () => {
  const event = { seq: 1, at: WALL, client: "k1", clientName: "till-3", data: {} };
  const view = (direction: "in" | "out") =>
    eventView({
      ...event,
      kind: "message",
      message: {
        id: "m1",
        direction,
        text: "hello",
        state: "stored",
        expiresAt: undefined,
        storedAt: WALL + 1_000,
        shownAt: undefined,
      },
    });
  const head = { at: "2026-11-22T10:00:00.000Z", client: "till-3", kind: "message", id: "m1" };
  const times = { expires_at: null, stored_at: "2026-11-22T10:00:01.000Z", shown_at: null };
  const tail = { text: "hello", state: "stored", ...times };
  assertEquals(view("in"), { ...head, from: "till-3", to: "server", ...tail });
  assertEquals(view("out"), { ...head, from: "server", to: "till-3", ...tail });
});

Deno.test("eventView() gives every other line its own fields", () => {
  const at = "2026-11-22T10:00:00.000Z";
  assertEquals(
    eventView({
      seq: 1,
      at: WALL,
      client: "k1",
      clientName: "till-3",
      kind: "beat",
      data: { seq: 5 },
    }),
    { at, client: "till-3", kind: "beat", seq: 5 },
  );
  assertEquals(eventView({ seq: 2, at: WALL, kind: "audit", data: { action: "invited" } }), {
    at,
    client: null,
    kind: "audit",
    action: "invited",
  });
});
