import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { FAR_ROUND_TRIP_MS } from "../protocol/mod.ts";
import {
  advance,
  type Cause,
  type KnownPresence,
  newPresence,
  nextDeadline,
  type Presence,
  type PresenceEvent,
  type PresenceState,
  shownCause,
  shownState,
  type StateChange,
  type Timing,
  timingOf,
} from "./presence.ts";

const INTERVALS_MS = [20_000, 1_000];
const START = 1_000_000;
const BEAT: PresenceEvent = { kind: "beat" };
const HEARD: PresenceEvent = { kind: "heard" };
const LOST: PresenceEvent = { kind: "lost" };
const CONNECTED: PresenceEvent = { kind: "connected", watched: true };

/** One client, driven as `watch.ts` drives it: a tick at every deadline. */
class Subject {
  readonly timing: Timing;
  readonly changes: StateChange[] = [];
  presence: Presence;
  now = START;

  constructor(timing: Timing, known?: KnownPresence) {
    this.timing = timing;
    this.presence = newPresence(START, known);
  }

  get state(): PresenceState {
    return this.presence.state;
  }

  event(event: PresenceEvent): StateChange[] {
    const { presence, changes } = advance(this.presence, event, this);
    this.presence = presence;
    this.changes.push(...changes);
    return changes;
  }

  /** Lets time pass, in whole steps from deadline to deadline. */
  wait(ms: number): this {
    const end = this.now + ms;
    for (let due = this.due(); due !== undefined && due <= end; due = this.due()) {
      this.now = Math.max(this.now, due);
      this.event({ kind: "tick" });
    }
    this.now = end;
    return this;
  }

  due(): number | undefined {
    return nextDeadline(this.presence, this.timing);
  }

  /** The changes of state so far, as `FROM>TO cause`. */
  path(): string[] {
    return this.changes.map(({ from, to, cause }) => `${from}>${to} ${cause ?? "-"}`);
  }
}

function connected(timing: Timing): Subject {
  const subject = new Subject(timing);
  subject.event(CONNECTED);
  return subject;
}

/** A claim that holds at both intervals; `p` is the interval in milliseconds. */
function atBothIntervals(check: (p: number, timing: Timing) => void): () => void {
  return () => INTERVALS_MS.forEach((p) => check(p, timingOf(p)));
}

/** The state `ms` after `begin`, looked at one millisecond before, at and after the limit. */
function around(limitMs: number, begin: () => Subject): PresenceState[] {
  return [-1, 0, 1].map((off) => begin().wait(limitMs + off).state);
}

Deno.test("timingOf() derives the limits of 20 s: 25, 30, 50, 60, 15 and 70 s [HB-43] [HB-44] [HB-47]", () => {
  assertEquals(timingOf(20_000), {
    intervalMs: 20_000,
    lateMs: 25_000,
    suspectMs: 30_000,
    downMs: 50_000,
    downFarMs: 60_000,
    lostMs: 15_000,
    comeBackMs: 70_000,
    flapMs: 600_000,
  });
});

Deno.test("timingOf() lets no earlier limit lie behind a DOWN that the operator set", () => {
  assertEquals(timingOf(20_000, 10_000), {
    intervalMs: 20_000,
    lateMs: 10_000,
    suspectMs: 10_000,
    downMs: 10_000,
    downFarMs: 12_000,
    lostMs: 10_000,
    comeBackMs: 70_000,
    flapMs: 600_000,
  });
  assertEquals(new Subject(timingOf(20_000, 10_000)).wait(10_000).path(), [
    "UP>LATE silent",
    "LATE>SUSPECT silent",
    "SUSPECT>DOWN silent",
  ]);
});

Deno.test(
  "[HB-43] presence is LATE after exactly 1.25 intervals of silence",
  atBothIntervals((p, timing) => {
    assertEquals(around(1.25 * p, () => connected(timing)), ["UP", "LATE", "LATE"]);
  }),
);

Deno.test(
  "[HB-43] presence is SUSPECT after exactly 1.5 intervals of silence",
  atBothIntervals((p, timing) => {
    assertEquals(around(1.5 * p, () => connected(timing)), ["LATE", "SUSPECT", "SUSPECT"]);
  }),
);

Deno.test(
  "[HB-44] presence is DOWN after exactly 2.5 intervals of silence",
  atBothIntervals((p, timing) => {
    assertEquals(around(2.5 * p, () => connected(timing)), ["SUSPECT", "DOWN", "DOWN"]);
  }),
);

Deno.test(
  "[HB-44] presence tells of DOWN once, with cause and detection time",
  atBothIntervals((p, timing) => {
    const subject = connected(timing).wait(100 * p);
    assertEquals(subject.path(), ["UP>LATE silent", "LATE>SUSPECT silent", "SUSPECT>DOWN silent"]);
    assertEquals(subject.changes.at(-1), {
      from: "SUSPECT",
      to: "DOWN",
      cause: "silent",
      at: START + 2.5 * p,
      lastHeard: START,
      downtimeMs: undefined,
      detectionMs: 2.5 * p,
      flapping: false,
    });
    assertEquals(subject.due(), undefined);
  }),
);

Deno.test(
  "[HB-44] presence waits 3 intervals for a far client, and a near one not",
  atBothIntervals((p, timing) => {
    const after = (roundTripMs: number) => () => {
      const subject = connected(timing);
      subject.event({ kind: "round_trip", ms: roundTripMs });
      return subject;
    };
    assertEquals(around(3 * p, after(FAR_ROUND_TRIP_MS + 0.001)), ["SUSPECT", "DOWN", "DOWN"]);
    assertEquals(around(2.5 * p, after(FAR_ROUND_TRIP_MS)), ["SUSPECT", "DOWN", "DOWN"]);
    assertEquals(around(2.5 * p, after(FAR_ROUND_TRIP_MS - 1)), ["SUSPECT", "DOWN", "DOWN"]);
  }),
);

Deno.test("[HB-44] presence averages round trips, so that one slow answer makes nobody far", () => {
  const subject = connected(timingOf(20_000));
  for (const ms of [1, 1, 9]) subject.event({ kind: "round_trip", ms });
  assertEquals(subject.presence.roundTripMs, 1 + 8 / 8);
  // Answers that waited for lost segments, or for the end of a gap.
  for (const ms of [200, 25_000]) subject.event({ kind: "round_trip", ms });
  assertEquals(subject.presence.roundTripMs, 2 + 2 * 100 / 8);
  assertEquals(subject.wait(50_000).state, "DOWN");
});

for (const state of ["LATE", "SUSPECT"] as const) {
  for (const event of [HEARD, BEAT, CONNECTED]) {
    Deno.test(
      `[HB-43] "${event.kind}" makes a ${state} client UP again`,
      atBothIntervals((p, timing) => {
        const subject = connected(timing).wait((state === "LATE" ? 1.25 : 1.5) * p);
        assertEquals(subject.state, state);
        const [change, ...others] = subject.event(event);
        assertEquals(others, []);
        assertEquals([change?.from, change?.to, change?.cause], [state, "UP", undefined]);
        assertEquals(change?.lastHeard, START, "the last byte before the change");
        assertEquals(subject.due(), subject.now + 1.25 * p);
      }),
    );
  }
}

Deno.test(
  "[HB-42] every byte moves every deadline, one millisecond before each",
  atBothIntervals((p, timing) => {
    for (const limit of [1.25, 1.5, 2.5]) {
      const subject = connected(timing).wait(limit * p - 1);
      subject.event(HEARD);
      subject.wait(limit * p - 1);
      assertEquals(subject.changes.filter(({ to }) => to === "DOWN"), []);
      assertEquals(subject.wait(1).state, { 1.25: "LATE", 1.5: "SUSPECT", 2.5: "DOWN" }[limit]);
    }
  }),
);

Deno.test(
  "[HB-44] presence is SUSPECT at a close without BYE",
  atBothIntervals((p, timing) => {
    const subject = connected(timing).wait(p);
    subject.event(LOST);
    assertEquals(subject.path(), ["UP>SUSPECT connection lost"]);
    assert(!subject.presence.connected);
    const late = connected(timing).wait(1.25 * p);
    late.event(LOST);
    assertEquals(late.path(), ["UP>LATE silent", "LATE>SUSPECT connection lost"]);
  }),
);

Deno.test(
  "[HB-44] presence is DOWN exactly 0.75 intervals after a close without BYE",
  atBothIntervals((p, timing) => {
    const begin = () => {
      const subject = connected(timing).wait(p);
      subject.event(LOST);
      return subject;
    };
    assertEquals(around(0.75 * p, begin), ["SUSPECT", "DOWN", "DOWN"]);
    const { changes } = begin().wait(0.75 * p);
    assertEquals(changes.at(-1), {
      from: "SUSPECT",
      to: "DOWN",
      cause: "connection lost",
      at: START + 1.75 * p,
      lastHeard: START,
      downtimeMs: undefined,
      detectionMs: 0.75 * p,
      flapping: false,
    });
  }),
);

Deno.test(
  "[HB-44] silence stays a limit after a close: whichever comes first",
  atBothIntervals((p, timing) => {
    const subject = connected(timing).wait(2.4 * p);
    subject.event(LOST);
    assertEquals(subject.wait(0.1 * p - 1).state, "SUSPECT");
    assertEquals(subject.wait(1).state, "DOWN");
  }),
);

Deno.test(
  "[HB-44] a reconnect within 0.75 intervals raises nothing",
  atBothIntervals((p, timing) => {
    const subject = connected(timing).wait(p);
    subject.event(LOST);
    subject.wait(0.75 * p - 1);
    subject.event(CONNECTED);
    assertEquals(subject.path(), ["UP>SUSPECT connection lost", "SUSPECT>UP -"]);
    assertEquals(subject.presence.lostAt, undefined);
    assertEquals(subject.due(), subject.now + 1.25 * p);
    assert(!subject.changes.some(({ to }) => to === "DOWN"));
  }),
);

Deno.test(
  "[HB-42] bytes on a data connection keep a client that lost its agent from DOWN",
  atBothIntervals((p, t) => {
    const subject = connected(t).wait(p);
    subject.event(LOST);
    for (let turn = 0; turn < 20; turn++) {
      subject.wait(0.5 * p);
      subject.event(HEARD);
      assertEquals(subject.state, "SUSPECT", "it is not UP without its agent");
    }
    assertEquals(around(0.75 * p, () => Object.assign(new Subject(t), subject)), [
      "SUSPECT",
      "DOWN",
      "DOWN",
    ]);
  }),
);

const GOODBYES: Cause[] = [
  "said bye: stop",
  "said bye: sleep",
  "said bye: reboot",
  "said bye: update",
];

for (const cause of GOODBYES) {
  Deno.test(
    `[HB-45] "${cause}" is PLANNED and alerts nobody, ever`,
    atBothIntervals((p, timing) => {
      const subject = connected(timing).wait(p);
      subject.event({ kind: "left", cause });
      assertEquals(subject.path(), [`UP>PLANNED ${cause}`]);
      assertEquals(subject.due(), undefined);
      assertEquals(subject.wait(10_000 * p).state, "PLANNED");
    }),
  );
}

Deno.test(
  "[HB-45] PLANNED with back_in is DOWN exactly when that time has passed",
  atBothIntervals((p, timing) => {
    const begin = () => {
      const subject = connected(timing);
      subject.event({ kind: "left", cause: "said bye: reboot", backInMs: 300_000 });
      return subject;
    };
    assertEquals(around(300_000, begin), ["PLANNED", "DOWN", "DOWN"]);
    assertEquals(begin().wait(300_000 + p).path(), [
      "UP>PLANNED said bye: reboot",
      "PLANNED>DOWN planned overdue",
    ]);
  }),
);

Deno.test(
  "[HB-45] a client that comes back from PLANNED is UP and watched as ever",
  atBothIntervals((p, timing) => {
    const subject = connected(timing);
    subject.event({ kind: "left", cause: "said bye: update", backInMs: p });
    subject.wait(p - 1);
    subject.event(CONNECTED);
    assertEquals(subject.path(), ["UP>PLANNED said bye: update", "PLANNED>UP -"]);
    assertEquals(subject.presence.plannedUntil, undefined);
    assertEquals(subject.wait(2.5 * p).state, "DOWN");
  }),
);

Deno.test(
  "[HB-45] a second BYE without back_in takes the first one's deadline back",
  atBothIntervals((p, timing) => {
    const subject = connected(timing);
    subject.event({ kind: "left", cause: "said bye: reboot", backInMs: p });
    subject.event(CONNECTED);
    subject.event({ kind: "left", cause: "said bye: stop" });
    assertEquals(subject.wait(100 * p).state, "PLANNED");
  }),
);

Deno.test(
  "[HB-45] BYE of a SUSPECT or DOWN client makes it PLANNED",
  atBothIntervals((p, timing) => {
    for (const limit of [1.5, 2.5]) {
      const subject = connected(timing).wait(limit * p);
      const [change] = subject.event({ kind: "left", cause: "said bye: stop" });
      assertEquals([change?.from, change?.to], [limit === 1.5 ? "SUSPECT" : "DOWN", "PLANNED"]);
      assertEquals(subject.presence.cause, "said bye: stop");
      assertEquals(subject.presence.outage, undefined);
      assertEquals(subject.wait(100 * p).state, "PLANNED");
    }
  }),
);

Deno.test(
  "[HB-46] a DOWN client is UP after exactly two beats, with its downtime",
  atBothIntervals((p, timing) => {
    const subject = connected(timing).wait(10 * p);
    assertEquals(subject.event(HEARD), [], "a byte alone ends no outage");
    subject.wait(7);
    assertEquals(subject.event(BEAT), []);
    assertEquals(subject.state, "DOWN");
    subject.wait(p);
    const [change, ...others] = subject.event(BEAT);
    assertEquals(others, []);
    assertEquals(change, {
      from: "DOWN",
      to: "UP",
      cause: "silent",
      at: START + 11 * p + 7,
      lastHeard: START,
      downtimeMs: 10 * p,
      detectionMs: undefined,
      flapping: false,
    });
    assertEquals([subject.state, subject.presence.cause], ["UP", undefined]);
    assertEquals(subject.presence.outage, undefined);
  }),
);

Deno.test(
  "[HB-46] after a lost connection the downtime ends at the reconnect",
  atBothIntervals((p, timing) => {
    const subject = connected(timing).wait(p);
    subject.event(LOST);
    subject.wait(5 * p);
    assertEquals(subject.event(CONNECTED), [], "ACK alone ends no outage");
    assertEquals(subject.state, "DOWN");
    subject.event(BEAT);
    subject.wait(0.3 * p);
    const [change] = subject.event(BEAT);
    assertEquals([change?.to, change?.cause], ["UP", "connection lost"]);
    assertEquals(change?.downtimeMs, 6 * p);
  }),
);

Deno.test(
  "[HB-46] beats before another loss do not count for the recovery",
  atBothIntervals((p, timing) => {
    const subject = connected(timing).wait(3 * p);
    subject.event(BEAT);
    subject.event(LOST);
    subject.wait(p);
    subject.event(CONNECTED);
    assertEquals(subject.event(BEAT), []);
    assertEquals(subject.state, "DOWN");
    const [change] = subject.event(BEAT);
    assertEquals([change?.to, change?.downtimeMs], ["UP", 4 * p]);
  }),
);

Deno.test(
  "[HB-46] a DOWN client that goes away again raises no second alert",
  atBothIntervals((p, timing) => {
    const subject = connected(timing).wait(3 * p);
    for (let turn = 0; turn < 5; turn++) {
      subject.event(CONNECTED);
      subject.event(BEAT);
      subject.event(LOST);
      subject.wait(10 * p);
    }
    assertEquals(subject.changes.filter(({ to }) => to === "DOWN").length, 1);
  }),
);

Deno.test(
  "[HB-47] grace starts every deadline anew",
  atBothIntervals((p, timing) => {
    const begin = (state: "UP" | "LATE" | "SUSPECT") => {
      const subject = connected(timing).wait({ UP: 0, LATE: 1.25, SUSPECT: 1.5 }[state] * p);
      subject.now += 100 * p; // It stood still: no tick came.
      subject.event({ kind: "grace", untilMs: subject.now + timing.downMs });
      assertEquals(subject.state, state);
      return subject;
    };
    assertEquals(around(1.25 * p, () => begin("UP")), ["UP", "LATE", "LATE"]);
    assertEquals(around(1.5 * p, () => begin("LATE")), ["LATE", "SUSPECT", "SUSPECT"]);
    assertEquals(around(2.5 * p, () => begin("SUSPECT")), ["SUSPECT", "DOWN", "DOWN"]);
  }),
);

Deno.test(
  "[HB-47] grace covers a lost connection and a planned absence",
  atBothIntervals((p, timing) => {
    const lost = () => {
      const subject = connected(timing);
      subject.event(LOST);
      subject.now += 100 * p;
      subject.event({ kind: "grace", untilMs: subject.now + timing.downMs });
      return subject;
    };
    assertEquals(around(2.5 * p, lost), ["SUSPECT", "DOWN", "DOWN"]);
    assertEquals(lost().wait(2.5 * p).presence.cause, "connection lost");
    const planned = () => {
      const subject = connected(timing);
      subject.event({ kind: "left", cause: "said bye: sleep", backInMs: 10 * p });
      subject.now += 100 * p;
      subject.event({ kind: "grace", untilMs: subject.now + timing.downMs });
      return subject;
    };
    assertEquals(around(2.5 * p, planned), ["PLANNED", "DOWN", "DOWN"]);
  }),
);

Deno.test(
  "[HB-47] a later grace is never cut by an earlier one",
  atBothIntervals((p, timing) => {
    const subject = connected(timing);
    subject.event({ kind: "grace", untilMs: START + 10 * p });
    subject.event({ kind: "grace", untilMs: START + 5 * p });
    assertEquals(around(10 * p, () => Object.assign(new Subject(timing), subject)), [
      "SUSPECT",
      "DOWN",
      "DOWN",
    ]);
  }),
);

Deno.test(
  "[HB-47] a client restored as UP has 2.5 intervals to come back",
  atBothIntervals((p, timing) => {
    const known = { state: "UP", cause: undefined, silentForMs: 1_000 * p, watched: true } as const;
    assertEquals(around(2.5 * p, () => new Subject(timing, known)), ["SUSPECT", "DOWN", "DOWN"]);
    const subject = new Subject(timing, known).wait(2.5 * p);
    assertEquals(subject.changes.at(-1)?.lastHeard, START - 1_000 * p);
    const back = new Subject(timing, known).wait(1.25 * p - 1);
    back.event(CONNECTED);
    assertEquals(back.path(), []);
  }),
);

Deno.test(
  "[HB-46] [HB-47] a client restored as DOWN raises nothing and recovers",
  atBothIntervals((p, timing) => {
    const known = { state: "DOWN", cause: "connection lost", watched: true } as const;
    const subject = new Subject(timing, { ...known, silentForMs: 7 * p });
    assertEquals(subject.wait(5 * p).path(), []);
    subject.event(CONNECTED);
    subject.event(BEAT);
    const [change] = subject.event(BEAT);
    assertEquals([change?.to, change?.cause], ["UP", "connection lost"]);
    assertEquals(change?.downtimeMs, 12 * p);
  }),
);

Deno.test(
  "[HB-45] a client restored as PLANNED is not missed",
  atBothIntervals((p, timing) => {
    const known = { state: "PLANNED", cause: "said bye: stop", watched: false } as const;
    const subject = new Subject(timing, { ...known, silentForMs: p });
    assertEquals(subject.wait(1_000 * p).path(), []);
    subject.event(CONNECTED);
    assertEquals(subject.path(), ["PLANNED>UP -"]);
    assertEquals(subject.wait(2.5 * p).state, "DOWN");
  }),
);

Deno.test(
  "[HB-100] a classic client is watched from its first HEARTBEAT on",
  atBothIntervals((p, timing) => {
    const subject = new Subject(timing);
    subject.event({ kind: "connected", watched: false });
    assertEquals(subject.due(), undefined);
    assertEquals(subject.wait(100 * p).state, "UP");
    subject.event(HEARD);
    assertEquals(subject.wait(100 * p).state, "UP", "its words are no heartbeats");
    subject.event(BEAT);
    assertEquals(around(2.5 * p, () => Object.assign(new Subject(timing), subject)), [
      "SUSPECT",
      "DOWN",
      "DOWN",
    ]);
  }),
);

Deno.test(
  "[HB-100] the close of an unwatched classic client is a goodbye",
  atBothIntervals((p, timing) => {
    const subject = new Subject(timing);
    subject.event({ kind: "connected", watched: false });
    subject.event(LOST);
    assertEquals(subject.path(), ["UP>PLANNED closed"]);
    assertEquals(subject.wait(100 * p).state, "PLANNED");
  }),
);

Deno.test("advance() measures gap and jitter with the gains of RFC 6298", () => {
  const subject = connected(timingOf(20_000));
  const at = (ms: number) => {
    subject.wait(ms);
    subject.event(BEAT);
    const { gapMs, jitterMs } = subject.presence;
    return [gapMs, jitterMs];
  };
  assertEquals(at(0), [undefined, undefined]);
  assertEquals(at(3_000), [undefined, undefined], "the second beat comes at a random offset");
  assertEquals(at(20_000), [20_000, undefined]);
  assertEquals(at(20_800), [20_100, 800]);
  assertEquals(at(20_100), [20_100, 600]);
});

Deno.test("advance() leaves outages and reconnects out of the usual gap", () => {
  const subject = connected(timingOf(20_000));
  subject.event(BEAT);
  subject.wait(7_000).event(BEAT);
  subject.wait(20_000).event(BEAT);
  subject.wait(50_001).event(BEAT);
  assertEquals(subject.presence.gapMs, 20_000);
  subject.event(LOST);
  subject.wait(3_000).event(CONNECTED);
  subject.event(BEAT);
  subject.wait(7_000).event(BEAT);
  assertEquals(subject.presence.gapMs, 20_000);
  subject.wait(28_000).event(BEAT);
  assertEquals(subject.presence.gapMs, 21_000);
});

Deno.test("advance() catches up with every limit that a late tick has missed", () => {
  const subject = connected(timingOf(20_000));
  subject.now += 3_600_000;
  subject.event({ kind: "tick" });
  assertEquals(subject.path(), ["UP>LATE silent", "LATE>SUSPECT silent", "SUSPECT>DOWN silent"]);
  assertEquals(subject.changes.at(-1)?.detectionMs, 3_600_000);
});

Deno.test("advance() ignores a tick that comes before its time", () => {
  const subject = connected(timingOf(20_000));
  subject.now += 24_999;
  assertEquals(subject.event({ kind: "tick" }), []);
});

const anyEvent: fc.Arbitrary<PresenceEvent> = fc.oneof(
  fc.constant<PresenceEvent>(HEARD),
  fc.constant<PresenceEvent>(BEAT),
  fc.constant<PresenceEvent>(LOST),
  fc.record({ kind: fc.constant("connected" as const), watched: fc.boolean() }),
  fc.record({ kind: fc.constant("round_trip" as const), ms: fc.integer({ min: 0, max: 200 }) }),
  fc.record({
    kind: fc.constant("left" as const),
    cause: fc.constantFrom<Cause>(...GOODBYES, "closed"),
    backInMs: fc.option(fc.integer({ min: 0, max: 200_000 }), { nil: undefined }),
  }),
  fc.record({
    kind: fc.constant("grace" as const),
    untilMs: fc.integer({ min: START, max: START + 500_000 }),
  }),
);
const anyHistory = fc.array(
  fc.record({ waitMs: fc.integer({ min: 0, max: 70_000 }), event: anyEvent }),
  { maxLength: 40, size: "max" },
);
const anyKnown = fc.option(
  fc.record({
    state: fc.constantFrom<PresenceState>("UP", "LATE", "SUSPECT", "DOWN", "PLANNED", "FLAPPING"),
    cause: fc.constant(undefined),
    silentForMs: fc.integer({ min: 0, max: 1_000_000 }),
    watched: fc.boolean(),
  }),
  { nil: undefined },
);

const CAUSES: Record<PresenceState, (Cause | undefined)[]> = {
  UP: [undefined],
  LATE: [undefined, "silent"],
  SUSPECT: [undefined, "silent", "connection lost"],
  DOWN: [undefined, "silent", "connection lost", "planned overdue"],
  FLAPPING: [],
  PLANNED: [undefined, ...GOODBYES, "closed"],
};

function checkInvariants({ presence, timing, now }: Subject): void {
  const { state, cause, outage } = presence;
  assert(CAUSES[state].includes(cause), `${state} because of ${cause}`);
  assertEquals(outage !== undefined, state === "DOWN");
  const due = nextDeadline(presence, timing);
  assert(due === undefined || !Number.isNaN(due));
  assert(due === undefined || due > now, `${state} was due at ${due}`);
}

/** Every DOWN must have had its full limit, counted from the latest of all reasons to wait. */
function checkDown(change: StateChange, before: Presence, timing: Timing): void {
  const { lastHeard, countFrom, lostAt, graceUntil, plannedUntil } = before;
  assert(change.at >= graceUntil, "DOWN within the grace");
  if (change.cause === "planned overdue") {
    return assert(plannedUntil !== undefined && change.at >= plannedUntil);
  }
  assert(before.watched, "DOWN although nobody watches");
  const silentFrom = Math.max(lastHeard, countFrom);
  const silent = change.at - silentFrom >= timing.downMs;
  const lost = lostAt !== undefined && change.at - lostAt >= timing.lostMs &&
    change.at - silentFrom >= timing.lostMs;
  assert(silent || lost, `DOWN after ${change.at - silentFrom} ms of silence`);
  assertEquals(change.cause, lostAt === undefined ? "silent" : "connection lost");
}

Deno.test("advance() is never DOWN before a limit has passed, whatever happens", () => {
  fc.assert(
    fc.property(anyHistory, anyKnown, (history, known) => {
      const subject = new Subject(timingOf(20_000), known);
      for (const { waitMs, event } of history) {
        for (const step of [{ waitMs, event: undefined }, { waitMs: 0, event }]) {
          let before = subject.presence;
          let told = subject.changes.length;
          const look = () => {
            for (const change of subject.changes.slice(told)) {
              if (change.to === "DOWN" && change.from !== "FLAPPING") {
                checkDown(change, before, subject.timing);
              }
            }
            before = subject.presence;
            told = subject.changes.length;
          };
          const end = subject.now + step.waitMs;
          for (let due = subject.due(); due !== undefined && due <= end; due = subject.due()) {
            subject.wait(Math.max(0, due - subject.now));
            look();
          }
          subject.wait(end - subject.now);
          if (step.event !== undefined) subject.event(step.event);
          look();
          subject.wait(0);
          look();
          checkInvariants(subject);
        }
      }
    }),
    { numRuns: 300 },
  );
});

const NOTHING = [undefined, undefined];

Deno.test("advance() tells every change and no other: each begins where the last one ended", () => {
  fc.assert(
    fc.property(anyHistory, anyKnown, (history, known) => {
      const subject = new Subject(timingOf(1_000), known);
      let state = subject.state;
      let believed = shownState(subject.presence);
      for (const { waitMs, event } of history) {
        subject.wait(waitMs).event(event);
        for (const change of subject.changes.splice(0)) {
          const entered = change.to === "FLAPPING";
          const left = change.from === "FLAPPING" && change.to !== "PLANNED";
          if (change.from !== "FLAPPING") assertEquals(change.from, state);
          assertEquals(change.from === "FLAPPING", believed === "FLAPPING" && !change.flapping);
          if (entered || left) assertEquals([change.downtimeMs, change.detectionMs], NOTHING);
          else {
            assertEquals(change.downtimeMs !== undefined, state === "DOWN");
            assert((change.downtimeMs ?? 0) >= 0);
            assert((change.detectionMs ?? 0) >= 0);
            assertEquals(change.detectionMs !== undefined, change.to === "DOWN");
          }
          if (change.to !== "FLAPPING") state = change.to;
          // The change that makes it FLAPPING is the first one that is not told.
          if (!change.flapping) believed = change.to;
        }
        assertEquals(subject.state, state);
        assertEquals(shownState(subject.presence), believed);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("advance() leaves its input as it was", () => {
  fc.assert(
    fc.property(anyHistory, anyKnown, (history, known) => {
      const subject = new Subject(timingOf(20_000), known);
      for (const { waitMs, event } of history) {
        subject.wait(waitMs);
        const before = subject.presence;
        const copy = structuredClone(before);
        subject.event(event);
        assertEquals(before, copy);
      }
    }),
    { numRuns: 100 },
  );
});

Deno.test("[HB-46] a history that ends in two beats on a connection ends UP", () => {
  fc.assert(
    fc.property(anyHistory, anyKnown, (history, known) => {
      const subject = new Subject(timingOf(20_000), known);
      for (const { waitMs, event } of history) subject.wait(waitMs).event(event);
      for (const event of [CONNECTED, BEAT, BEAT]) subject.event(event);
      assertEquals([subject.state, subject.presence.cause], ["UP", undefined]);
    }),
    { numRuns: 200 },
  );
});

Deno.test(
  "[HB-45] a planned absence goes on over a restart of the server and is overdue at its end",
  atBothIntervals((p, timing) => {
    const known = { state: "PLANNED", cause: "said bye: reboot", watched: false } as const;
    const restored = () => new Subject(timing, { ...known, silentForMs: p, plannedForMs: 10 * p });
    assertEquals(around(10 * p, restored), ["PLANNED", "DOWN", "DOWN"]);
    assertEquals(restored().wait(10 * p).presence.cause, "planned overdue");
    const unlimited = new Subject(timing, { ...known, silentForMs: p });
    assertEquals(unlimited.wait(1_000 * p).state, "PLANNED");
  }),
);

/** Lets the client go DOWN by a lost connection, and come back, so many times; every phase lasts so long. */
function flap(subject: Subject, { downs, phaseMs }: { downs: number; phaseMs: number }): Subject {
  for (let down = 0; down < downs; down++) {
    subject.event(LOST);
    subject.wait(phaseMs);
    for (const event of [CONNECTED, BEAT, BEAT]) subject.event(event);
    subject.wait(1);
  }
  return subject;
}

Deno.test(
  "[HB-49] the third change between UP and DOWN within 30 P makes a client FLAPPING, and it is measured as ever",
  atBothIntervals((p, timing) => {
    const subject = flap(connected(timing), { downs: 1, phaseMs: p });
    assertEquals(shownState(subject.presence), "UP");
    subject.event(LOST);
    subject.wait(0.75 * p - 1);
    assertEquals([subject.state, shownState(subject.presence)], ["SUSPECT", "SUSPECT"]);
    subject.wait(1);
    assertEquals([subject.state, shownState(subject.presence)], ["DOWN", "FLAPPING"]);
    assertEquals(shownCause(subject.presence), "flapping");
    const [down, flapping] = subject.changes.slice(-2);
    assertEquals([down?.to, down?.flapping], ["DOWN", true]);
    assertEquals([flapping?.from, flapping?.to, flapping?.cause], ["DOWN", "FLAPPING", "flapping"]);
    assertEquals(flapping?.flapping, false);
    for (const event of [CONNECTED, BEAT, BEAT]) subject.event(event);
    assertEquals([subject.state, shownState(subject.presence)], ["UP", "FLAPPING"]);
    assertEquals([subject.changes.at(-1)?.to, subject.changes.at(-1)?.flapping], ["UP", true]);
  }),
);

Deno.test(
  "[HB-49] a recovery is the third change as well when the outage before it was short ago",
  atBothIntervals((p, timing) => {
    const subject = new Subject(timing, {
      state: "DOWN",
      cause: "silent",
      silentForMs: 5 * p,
      watched: true,
    });
    for (const event of [CONNECTED, BEAT, BEAT]) subject.event(event);
    subject.event(LOST);
    subject.wait(p);
    assertEquals(shownState(subject.presence), "DOWN");
    for (const event of [CONNECTED, BEAT, BEAT]) subject.event(event);
    assertEquals([subject.state, shownState(subject.presence)], ["UP", "FLAPPING"]);
  }),
);

Deno.test(
  "[HB-49] three changes in more than 30 P are no flapping",
  atBothIntervals((p, timing) => {
    const subject = flap(connected(timing), { downs: 1, phaseMs: p });
    const first = subject.presence.swings[0] ?? NaN;
    // It beats, so that only the connection's end makes it DOWN, 1 ms too late to count.
    while (subject.now + p < first + 29 * p) subject.wait(p).event(BEAT);
    subject.wait(first + 29.25 * p + 1 - subject.now).event(LOST);
    subject.wait(0.75 * p);
    assertEquals([subject.state, shownState(subject.presence)], ["DOWN", "DOWN"]);
  }),
);

Deno.test(
  "[HB-49] FLAPPING ends after 30 quiet P, in whatever is measured then",
  atBothIntervals((p, timing) => {
    const up = flap(connected(timing), { downs: 2, phaseMs: p });
    const since = up.presence.swings.at(-1) ?? 0;
    while (up.now + p < since + 30 * p) up.wait(p).event(BEAT);
    up.wait(since + 30 * p - 1 - up.now);
    assertEquals(shownState(up.presence), "FLAPPING");
    up.wait(1);
    assertEquals([up.state, shownState(up.presence)], ["UP", "UP"]);
    assertEquals(up.path().at(-1), "FLAPPING>UP -");

    const down = flap(connected(timing), { downs: 1, phaseMs: p });
    down.event(LOST);
    down.wait(0.75 * p + 30 * p - 1);
    assertEquals(shownState(down.presence), "FLAPPING");
    down.wait(1);
    assertEquals(shownState(down.presence), "DOWN");
    assertEquals(down.path().at(-1), "FLAPPING>DOWN connection lost");
    down.event(CONNECTED);
    down.event(BEAT);
    down.event(BEAT);
    assertEquals(shownState(down.presence), "UP", "what was before does not count again");
  }),
);

Deno.test(
  "[HB-49] a goodbye ends FLAPPING at once, and it goes on over a restart of the server",
  atBothIntervals((p, timing) => {
    const subject = flap(connected(timing), { downs: 2, phaseMs: p });
    subject.event({ kind: "left", cause: "said bye: stop" });
    assertEquals(subject.path().at(-1), "FLAPPING>PLANNED said bye: stop");
    assertEquals(shownState(subject.presence), "PLANNED");

    const known = { state: "FLAPPING", cause: "flapping", silentForMs: p, watched: true } as const;
    const restored = new Subject(timing, known);
    assertEquals([restored.state, shownState(restored.presence)], ["UP", "FLAPPING"]);
    for (const event of [CONNECTED, BEAT, BEAT]) restored.event(event);
    while (restored.now < START + 30 * p) restored.wait(p).event(BEAT);
    assertEquals(shownState(restored.presence), "UP");
  }),
);

Deno.test(
  "[HB-49] changes that are forgiven, as others changed with it, count no more; FLAPPING itself stays",
  atBothIntervals((p, timing) => {
    const subject = flap(connected(timing), { downs: 1, phaseMs: p });
    assertEquals(subject.event({ kind: "forgiven" }), []);
    subject.event(LOST);
    subject.wait(p);
    assertEquals(shownState(subject.presence), "DOWN");
    const flapping = flap(connected(timing), { downs: 2, phaseMs: p });
    flapping.event({ kind: "forgiven" });
    assertEquals(shownState(flapping.presence), "FLAPPING");
  }),
);
