import { assertEquals } from "@std/assert";
import { ChatRecord } from "./chat_record.ts";
import type { Kill } from "./kill_plan.ts";
import { type KillEvidence, READY_LIMIT_MS, reportLines, reportOf } from "./kill_report.ts";

function kill(number: number, victim: Kill["victim"], name?: string): Kill {
  const failpoint = name === undefined ? undefined : { name, passage: 2 };
  return { number, victim, failpoint, signal: "SIGKILL", afterMs: 0, early: false };
}

/** A story in which all went well, but for `changes`. */
function evidence(changes: Partial<KillEvidence> = {}): KillEvidence {
  const record = new ChatRecord("till-3");
  record.client.sent.push("client 1.");
  record.client.acknowledged.set("client 1.", "stored");
  return {
    seed: 7,
    record,
    facts: {
      deaths: [
        { kill: kill(1, "server", "store_commit"), atFailpoint: true },
        { kill: kill(2, "client"), atFailpoint: false },
        { kill: kill(3, "server", "store_commit"), atFailpoint: false },
      ],
      ready: { server: [{ ms: 400, waitedMs: 0 }, { ms: 900, waitedMs: 600 }], client: [] },
      absences: [{ from: 1_000, to: 2_000 }],
      wrong: [],
    },
    server: {
      received: ["client 1."],
      unlisted: 0,
      alerts: [],
      journal: [],
    },
    inbox: [],
    journal: { noted: [], sent: [] },
    files: { server: [], client: [] },
    integrity: { server: "ok", client: "ok" },
    ...changes,
  };
}

Deno.test("reportOf() counts kills, promises and failpoints, and finds nothing where all went well", () => {
  const report = reportOf(evidence());
  assertEquals(report.violations, []);
  assertEquals(report.kills, { server: 2, client: 1 });
  assertEquals(report.acknowledged, { server: 0, client: 1 });
  assertEquals([...report.failpoints], [["store_commit", { armed: 2, reached: 1 }]]);
  assertEquals(report.slowestReady, { server: { ms: 400, waitedMs: 0 }, client: undefined });
  assertEquals(reportLines(report).at(-1), "ok");
});

Deno.test("reportOf() finds what is lost, a damaged database and messages that the timeline does not list", () => {
  const { server } = evidence();
  const report = reportOf(evidence({
    server: { ...server, received: [], unlisted: 3 },
    integrity: { server: "ok", client: "row 3 missing from index" },
  }));
  assertEquals(report.violations, [
    'lost: acknowledged as stored and missing: "client 1." of the client',
    "integrity: the client's database: row 3 missing from index",
    "timeline: 3 messages are not listed exactly once",
  ]);
  assertEquals([report.lost, report.twice, report.disordered], [1, 0, 0]);
  assertEquals(reportLines(report).at(-1), "FAILED: 3 violations");
});

Deno.test("reportOf() takes alerts while the client was dead, and no others", () => {
  const { server } = evidence();
  const alertAt = (openedAt: number) =>
    reportOf(evidence({ server: { ...server, alerts: [{ openedAt, cause: "lost" }] } })).violations;
  assertEquals(alertAt(1_000), []);
  assertEquals(alertAt(2_500), []);
  for (const openedAt of [999, 2_501]) {
    const at = new Date(openedAt).toISOString();
    assertEquals(alertAt(openedAt), [`alert: ${at}, lost, while the client was there`]);
  }
});

Deno.test("reportOf() wants a program ready in its time, less what others had of the processor", () => {
  const { facts } = evidence();
  const startOf = (ms: number, waitedMs: number) =>
    reportOf(evidence({ facts: { ...facts, ready: { server: [], client: [{ ms, waitedMs }] } } }))
      .violations;
  assertEquals(startOf(READY_LIMIT_MS, 0), []);
  assertEquals(startOf(READY_LIMIT_MS + 500, 500), []);
  assertEquals(startOf(READY_LIMIT_MS + 1, 0), ["ready: a client took 2001 ms from its start"]);
});
