/**
 * What a story of kills came to: figures, and everything that must not be. Pure.
 *
 * @module
 */

import type { ChatRecord } from "./chat_record.ts";
import { checkFiles, checkPassage, type HistoryViolation, type KnownFile } from "./history.ts";
import type { JournalState, ServerState } from "./kept_state.ts";
import type { Victim } from "./kill_plan.ts";
import type { Death, ReadyTime } from "./mortal.ts";

/** A time in which the client was dead or had not yet connected again, in milliseconds since 1970. */
export interface Absence {
  from: number;
  to: number;
}

/** What happened, besides what the record says. */
export interface KillFacts {
  deaths: Death[];
  ready: Record<Victim, ReadyTime[]>;
  absences: Absence[];
  /** What went wrong with the programs themselves. */
  wrong: string[];
}

/** What is known when the story is over. */
export interface KillEvidence {
  seed: number;
  record: ChatRecord;
  facts: KillFacts;
  server: ServerState;
  /** Texts of the server's messages that the client has kept, in their order. */
  inbox: string[];
  /** The client's journal. */
  journal: JournalState;
  /** What lies under final names at each side. */
  files: Record<Victim, KnownFile[]>;
  /** What each side's database says of itself. */
  integrity: Record<Victim, string>;
}

/** What it came to. */
export interface KillReport {
  seed: number;
  kills: Record<Victim, number>;
  /** Messages that each side sent and was promised to be kept. */
  acknowledged: Record<Victim, number>;
  /** Entries of the client's journal that the server has. */
  journal: number;
  /** Files that each side sent and was promised to be kept. */
  files: Record<Victim, number>;
  lost: number;
  twice: number;
  disordered: number;
  integrity: Record<Victim, string>;
  /** Of each side the longest, less what it waited for a processor; undefined where none was measured. */
  slowestReady: Record<Victim, ReadyTime | undefined>;
  /** How many starts were measured. */
  measured: Record<Victim, number>;
  /** How often each failpoint was armed, and how often the program died there. */
  failpoints: Map<string, { armed: number; reached: number }>;
  alerts: number;
  /** Everything that must not be, for people; empty when all is well. */
  violations: string[];
}

/** Longest time from a program's start until it is ready, in milliseconds. */
export const READY_LIMIT_MS = 2_000;
/** How much later than the truth the end of an absence may be known, in milliseconds. */
const ABSENCE_SLACK_MS = 500;

/** Judges. */
export function reportOf(evidence: KillEvidence): KillReport {
  const { seed, record, facts, integrity } = evidence;
  const found = historyOf(evidence);
  const count = (kind: HistoryViolation["kind"]) =>
    found.filter((violation) => violation.kind === kind).length;
  const slowestReady = {
    server: slowest(facts.ready.server),
    client: slowest(facts.ready.client),
  };
  return {
    seed,
    kills: countOf((victim) => facts.deaths.filter(({ kill }) => kill.victim === victim).length),
    acknowledged: countOf((victim) => record[victim].acknowledged.size),
    journal: evidence.server.journal.length,
    files: countOf((victim) => record[victim].files.acknowledged.length),
    lost: count("lost"),
    twice: count("twice"),
    disordered: count("order"),
    integrity,
    slowestReady,
    measured: countOf((victim) => facts.ready[victim].length),
    failpoints: failpointsOf(facts),
    alerts: evidence.server.alerts.length,
    violations: [
      ...found.map(({ kind, what }) => `${kind}: ${what}`),
      ...programsOf(evidence),
      ...(["server", "client"] as const).flatMap((victim) => {
        const time = slowestReady[victim];
        if (time === undefined || own(time) <= READY_LIMIT_MS) return [];
        return [`ready: a ${victim} took ${Math.round(own(time))} ms from its start`];
      }),
    ],
  };
}

function historyOf(evidence: KillEvidence): HistoryViolation[] {
  const { record, server, inbox, journal, files } = evidence;
  return [
    ...checkPassage({ sender: "client", ...record.client, held: server.received }),
    ...checkPassage({ sender: "server", ...record.server, held: inbox }),
    ...checkPassage({
      sender: "client's journal",
      sent: journal.noted,
      acknowledged: new Map(journal.sent.map((entry) => [entry, "stored"])),
      refused: new Set(),
      held: server.journal,
      shown: [],
    }),
    ...checkFiles({ sender: "client", ...record.client.files, held: files.server }),
    ...checkFiles({ sender: "server", ...record.server.files, held: files.client }),
  ];
}

/** What is wrong with the programs, their databases and their alerts. */
function programsOf({ record, facts, server, integrity }: KillEvidence): string[] {
  // That a client flaps is told with its third change, be it the one that brought it back.
  const needless = server.alerts.filter(({ openedAt, cause }) =>
    cause !== "flapping" &&
    !facts.absences.some(({ from, to }) => openedAt >= from && openedAt <= to + ABSENCE_SLACK_MS)
  );
  return [
    ...facts.wrong,
    ...record.complaints,
    ...(["server", "client"] as const).filter((victim) => integrity[victim] !== "ok")
      .map((victim) => `integrity: the ${victim}'s database: ${integrity[victim]}`),
    ...needless.map(({ openedAt, cause }) =>
      `alert: ${new Date(openedAt).toISOString()}, ${cause}, while the client was there`
    ),
    ...(server.unlisted === 0
      ? []
      : [`timeline: ${server.unlisted} messages are not listed exactly once`]),
  ];
}

function failpointsOf({ deaths }: KillFacts): KillReport["failpoints"] {
  const found: KillReport["failpoints"] = new Map();
  for (const { kill, atFailpoint } of deaths) {
    if (kill.failpoint === undefined) continue;
    const { name } = kill.failpoint;
    const { armed, reached } = found.get(name) ?? { armed: 0, reached: 0 };
    found.set(name, { armed: armed + 1, reached: reached + (atFailpoint ? 1 : 0) });
  }
  return found;
}

function countOf(count: (victim: Victim) => number): Record<Victim, number> {
  return { server: count("server"), client: count("client") };
}

function slowest(times: readonly ReadyTime[]): ReadyTime | undefined {
  return times.toSorted((one, other) => own(other) - own(one))[0];
}

/** The part of a time that was the program's own. */
function own({ ms, waitedMs }: ReadyTime): number {
  return ms - waitedMs;
}

/** The report in a few lines. */
export function reportLines(report: KillReport): string[] {
  const { seed, kills, acknowledged, files, integrity, measured, slowestReady } = report;
  const ready = (victim: Victim) => {
    const time = slowestReady[victim];
    if (time === undefined) return `${victim} not measured`;
    return `${victim} ${Math.round(time.ms)} ms (${Math.round(time.waitedMs)} ms of it for a ` +
      `processor; ${measured[victim]} starts)`;
  };
  const failpoints = [...report.failpoints].toSorted().map(([name, { armed, reached }]) =>
    `${name} ${reached}/${armed}`
  );
  const missed = [...report.failpoints.values()]
    .reduce((sum, { armed, reached }) => sum + armed - reached, 0);
  return [
    `seed ${seed}: ${kills.server} kills of the server, ${kills.client} of the client, ` +
    `${report.alerts} alerts`,
    `acknowledged: ${acknowledged.client} messages of the client, ${acknowledged.server} of the ` +
    `server, ${files.client} + ${files.server} files, ${report.journal} entries of the journal`,
    `lost ${report.lost}, twice ${report.twice}, out of order ${report.disordered}; ` +
    `integrity: server ${integrity.server}, client ${integrity.client}`,
    `slowest start until ready: ${ready("server")}, ${ready("client")}`,
    `failpoints reached/armed: ${failpoints.join(", ")}; ${missed} not reached, SIGKILL instead`,
    ...report.violations.map((violation) => `VIOLATION ${violation}`),
    report.violations.length === 0 ? "ok" : `FAILED: ${report.violations.length} violations`,
  ];
}
