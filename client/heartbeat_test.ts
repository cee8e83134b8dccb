import { assertAlmostEquals, assertEquals } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import type { FrameOf } from "../protocol/mod.ts";
import { Heartbeat, type HeartbeatPorts } from "./heartbeat.ts";

const INTERVAL_MS = 20_000;

/** A clock whose process can be stopped: `now()` goes on meanwhile, timers fire late. */
class StoppableClock extends FakeClock {
  #stoppedMs = 0;

  stopFor(ms: number): void {
    this.#stoppedMs += ms;
  }

  override now(): number {
    return super.now() + this.#stoppedMs;
  }
}

function setUp(changes: Partial<HeartbeatPorts> = {}) {
  const clock = new StoppableClock();
  const sent: { at: number; frame: FrameOf<"HEARTBEAT"> }[] = [];
  const silences: number[] = [];
  const heartbeat = new Heartbeat({
    clock,
    random: () => 0.25,
    intervalMs: INTERVAL_MS,
    vitals: () => ({ cpu: 0.5 }),
    send: (frame) => sent.push({ at: clock.now(), frame }),
    onSilent: (ms) => silences.push(ms),
    ...changes,
  });
  return { clock, sent, silences, heartbeat };
}

/** Lets the server answer once a second for `ms` milliseconds. */
async function live(
  { clock, heartbeat, sent }: Pick<ReturnType<typeof setUp>, "clock" | "heartbeat" | "sent">,
  ms: number,
): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    heartbeat.heard();
    const seq = sent.at(-1)?.frame.seq;
    if (seq !== undefined) heartbeat.answered({ verb: "BEAT", seq, at: 1 });
    await clock.advance(1_000);
  }
}

Deno.test("[HB-40] Heartbeat beats at once, then at a random offset, then every interval", async () => {
  const { clock, sent, heartbeat } = setUp();
  heartbeat.start();
  await live({ clock, heartbeat, sent }, 66_000);
  assertEquals(sent.map(({ at }) => at), [0, 5_000, 25_000, 45_000, 65_000]);
  assertEquals(sent.map(({ frame }) => frame.seq), [0, 1, 2, 3, 4]);
  assertEquals(sent[0]?.frame.vitals, { cpu: 0.5 });
  assertEquals(sent[1]?.frame.at, Date.UTC(2026, 10, 22, 10, 0, 5));
  heartbeat[Symbol.dispose]();
  assertEquals(clock.waiting, 0);
});

Deno.test("Heartbeat measures the round trip of the beat that is answered", async () => {
  const { clock, heartbeat } = setUp();
  heartbeat.start();
  await clock.advance(30);
  heartbeat.answered({ verb: "BEAT", seq: 0, at: 1 });
  assertEquals([heartbeat.answeredSeq, heartbeat.roundTripMs], [0, 30]);
  heartbeat.answered({ verb: "BEAT", seq: 0, at: 1 });
  heartbeat.answered({ verb: "BEAT", seq: 99, at: 1 });
  assertEquals([heartbeat.answeredSeq, heartbeat.roundTripMs], [0, 30]);
  heartbeat[Symbol.dispose]();
});

Deno.test("[HB-48] Heartbeat gives the server up after 1.5 intervals without a byte, once", async () => {
  const { clock, sent, silences, heartbeat } = setUp();
  heartbeat.start();
  await live({ clock, heartbeat, sent }, 10_000);
  heartbeat.heard();
  await clock.advance(29_999);
  assertEquals(silences, []);
  await clock.advance(1);
  assertEquals(silences, [30_000]);
  const before = sent.length;
  await clock.advance(100_000);
  assertEquals([silences.length, sent.length], [1, before]);
  assertEquals(clock.waiting, 0);
});

Deno.test("[HB-48] Heartbeat gives the server up when a beat is unanswered for 1.5 intervals, whatever else comes", async () => {
  const { clock, sent, silences, heartbeat } = setUp();
  heartbeat.start();
  await live({ clock, heartbeat, sent }, 44_000);
  assertEquals(sent.at(-1)?.at, 25_000);
  await clock.advance(1_000);
  // The beat of 45 s is lost, and a PING comes all the same.
  await clock.advance(25_000);
  heartbeat.heard();
  await clock.advance(4_999);
  assertEquals(silences, []);
  await clock.advance(1);
  assertEquals(silences, [30_000]);
});

Deno.test("Heartbeat grants one more interval, after a beat, when its own process was stopped", async () => {
  const { clock, sent, silences, heartbeat } = setUp();
  heartbeat.start();
  await clock.advance(1_000);
  clock.stopFor(600_000);
  await clock.advance(29_000);
  assertEquals(silences, []);
  const last = sent.at(-1);
  assertEquals(last?.at, 630_000);
  await clock.advance(19_999);
  assertEquals(silences, []);
  await clock.advance(1);
  assertEquals(silences.length, 1);
  assertAlmostEquals(silences[0] ?? 0, 650_000, 1);
});

Deno.test("Heartbeat stays when the server answers the beat that follows a stop", async () => {
  const { clock, sent, silences, heartbeat } = setUp();
  heartbeat.start();
  clock.stopFor(600_000);
  await clock.advance(30_000);
  heartbeat.heard();
  await live({ clock, heartbeat, sent }, 60_000);
  assertEquals(silences, []);
  heartbeat[Symbol.dispose]();
});

Deno.test("Heartbeat.probe() beats at once and waits one interval", async () => {
  const { clock, sent, silences, heartbeat } = setUp();
  heartbeat.start();
  await clock.advance(100);
  heartbeat.probe();
  await clock.advance(0);
  assertEquals(sent.map(({ at }) => at), [0, 100]);
  await clock.advance(INTERVAL_MS);
  assertEquals(silences, [20_100]);
});
