/**
 * `deno task soak away`: a client's agent over simulated days without a server, its clock a fake one and its disk
 * real; says whether its heap stays flat, and what it wrote.
 *
 * @module
 */

import { Agent } from "../../client/agent.ts";
import { CannotConnectError } from "../../client/client_error.ts";
import { ClientStore } from "../../client/store.ts";
import { FakeClock } from "../../platform/fake_clock.ts";
import { clientDatabase, integrity } from "../../tests/faults/kept_state.ts";
import { seededRandom } from "../../tests/faults/kill_plan.ts";
import { temporaryDirectory } from "../../tests/temporary_directory.ts";
import { fileBytes } from "./process_sample.ts";
import { type Point, secondHalf, slopeOf } from "./series.ts";
import { runSoak, type SoakPorts } from "./soak_options.ts";

const OPTIONS = {
  hours: { default: 24, min: 2, max: 10_000, about: "simulated time without a server" },
};

const MINUTE_MS = 60_000;
const MINUTES_PER_HOUR = 60;
/** Time between two lines that somebody types all the same, in minutes, and how many such lines at most. */
const MINUTES_PER_MESSAGE = 10;
const MAX_WAITING = 500;
/** Hours between two lines of output. */
const HOURS_PER_LINE = 6;
/** What counts as flat: growth of the heap over the second half, in KiB an hour. */
const MAX_KIB_PER_HOUR = 4;
const KIB = 1024;

/** What a time away came to. */
interface TimeAway {
  /** Bytes on the heap, by hour. */
  heap: Point[];
  /** Timers under way in the end, and after the agent was stopped. */
  timers: { running: number; stopped: number };
}

async function run({ hours }: { hours: number }, { say, signal }: SoakPorts): Promise<boolean> {
  await using desk = await temporaryDirectory();
  const { heap, timers } = await stayAway(hours, { directory: desk.path, say, signal });
  const slope = slopeOf(secondHalf(heap)) / KIB;
  const isFlat = slope <= MAX_KIB_PER_HOUR;
  const database = clientDatabase(desk.path);
  const state = integrity(database);
  say(
    `heap over the second half: ${slope.toFixed(2)} KiB an hour of at most ${MAX_KIB_PER_HOUR}: ` +
      `${isFlat ? "flat" : "NOT FLAT"}; timers ${timers.running}, then ${timers.stopped}; ` +
      `database ${inKib(await fileBytes(database))} KiB, integrity ${state}`,
  );
  const isWell = isFlat && timers.stopped === 0 && state === "ok";
  say(isWell ? "ok" : "FAILED");
  return isWell;
}

async function stayAway(
  hours: number,
  { directory, say, signal }: SoakPorts & { directory: string },
): Promise<TimeAway> {
  const clock = new FakeClock();
  const random = seededRandom(1);
  using store = new ClientStore(directory, { clock });
  let attempts = 0;
  const connect = () => {
    attempts++;
    return Promise.reject(new CannotConnectError([]));
  };
  const vitals = () => ({ cpu: random(), mem: random() });
  const agent = new Agent({ clock, random, store, connect, vitals });
  const running = agent.run();
  const heap: Point[] = [];
  for (let hour = 1; hour <= hours; hour++) {
    signal.throwIfAborted();
    for (let minute = 1; minute <= MINUTES_PER_HOUR; minute++) {
      await clock.advance(MINUTE_MS);
      if (minute % MINUTES_PER_MESSAGE === 0 && store.outbox.waiting().messages < MAX_WAITING) {
        agent.say(`hour ${hour}, minute ${minute}`);
      }
    }
    const value = heapBytes();
    heap.push({ at: hour, value });
    if (hour > 1 && hour < hours && hour % HOURS_PER_LINE !== 0) continue;
    const database = clientDatabase(directory);
    const bytes = await fileBytes(database) + await fileBytes(`${database}-wal`);
    say(
      `hour ${hour}: heap ${inKib(value)} KiB, ${attempts} attempts, ${clock.waiting} timers, ` +
        `${store.outbox.waiting().messages} messages wait, database and its log ${
          inKib(bytes)
        } KiB`,
    );
  }
  const timers = clock.waiting;
  await agent.stop();
  await running;
  return { heap, timers: { running: timers, stopped: clock.waiting } };
}

/** Bytes on the heap once everything that nobody holds is gone. */
function heapBytes(): number {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) {
    throw new Error("Cannot measure the heap: run this by deno task soak, or with --expose-gc");
  }
  gc();
  gc();
  return Deno.memoryUsage().heapUsed;
}

function inKib(bytes: number): number {
  return Math.round(bytes / KIB);
}

if (import.meta.main) {
  Deno.exit(await runSoak("Simulates a client whose server is away.", OPTIONS, run));
}
