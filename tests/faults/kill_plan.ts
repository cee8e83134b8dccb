/**
 * Which program is to be killed when, and at which failpoint: drawn from a seed, so that the same seed gives the
 * same plan. What the processes make of it depends on the machine all the same.
 *
 * @module
 */

/** One of the two programs. */
export type Victim = "server" | "client";

/** Failpoints that a chat passes, by program, in the order of the way of a message, then of journals and files. */
export const FAILPOINTS: Readonly<Record<Victim, readonly string[]>> = {
  server: [
    "message_received",
    "store_commit",
    "store_committed",
    "message_committed",
    "message_receipted",
    "message_queued",
    "message_sent",
    "receipt_received",
    "journal_committed",
    "after_rename",
    "before_stored",
  ],
  client: [
    "outbox_queued",
    "message_stored",
    "message_unqueued",
    "inbox_receiving",
    "inbox_stored",
    "inbox_receipted",
    "journal_stored",
    "after_rename",
    "before_record",
    "before_stored",
  ],
};
/** Those that are passed once for a connection or a file, not once for a message. */
const RARE = [
  "journal_committed",
  "journal_stored",
  "after_rename",
  "before_record",
  "before_stored",
];

/** One kill. */
export interface Kill {
  /** From 1, over both programs. */
  readonly number: number;
  readonly victim: Victim;
  /** Where it dies by itself, counted from its start; by a signal where undefined. */
  readonly failpoint: { readonly name: string; readonly passage: number } | undefined;
  /** SIGTERM for one that is asked to stop, which is no kill but must do no harm either. */
  readonly signal: "SIGKILL" | "SIGTERM";
  /** Time from the moment when its turn has come to the signal, in milliseconds. */
  readonly afterMs: number;
  /** Whether its turn comes before both programs are connected again. */
  readonly early: boolean;
}

/** Share of the kills that happen at a failpoint. */
const FAILPOINT_SHARE = 0.6;
/** Share of the kills at a failpoint that happen at one of its first passages. */
const FIRST_PASSAGES_SHARE = 0.5;
/** What counts as first passages; of a rare one there are no others. */
const FIRST_PASSAGES = 4;
/** Highest passage: at 50 messages a second, some 1 s of chat. */
const MAX_PASSAGE = 50;
/** Share of the kills that do not wait until both programs are connected. */
const EARLY_SHARE = 0.15;
/** Longest time of chat before a kill, in milliseconds. */
const MAX_CHAT_MS = 500;

/** Numbers from 0 to below 1, the same for the same seed (mulberry32); good enough for choosing, for nothing else. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A plan of `kills` kills, the server first, then each program in turn; every failpoint gets its turn. */
export function killPlan(
  { seed, kills, stops = 0, failpoints = FAILPOINTS }: {
    seed: number;
    kills: number;
    /** Share of those without a failpoint that are asked to stop instead. @default {0} */
    stops?: number;
    failpoints?: Readonly<Record<Victim, readonly string[]>>;
  },
): Kill[] {
  const random = seededRandom(seed);
  const decks = {
    server: deck(failpoints.server, random),
    client: deck(failpoints.client, random),
  };
  return Array.from({ length: kills }, (_, index) => {
    const victim = index % 2 === 0 ? "server" : "client";
    const name = random() < FAILPOINT_SHARE ? decks[victim].next().value : undefined;
    const passage = passageOf(name, random);
    return {
      number: index + 1,
      victim,
      failpoint: name === undefined ? undefined : { name, passage },
      signal: random() < stops && name === undefined ? "SIGTERM" : "SIGKILL",
      afterMs: Math.round(random() * MAX_CHAT_MS),
      early: random() < EARLY_SHARE,
    };
  });
}

function passageOf(name: string | undefined, random: () => number): number {
  const isFirst = random() < FIRST_PASSAGES_SHARE || name !== undefined && RARE.includes(name);
  const most = isFirst ? FIRST_PASSAGES : MAX_PASSAGE;
  return 1 + Math.floor(random() * most);
}

/** Names without end, each of them once before any comes again, in a new order each time. */
function* deck(names: readonly string[], random: () => number): Generator<string, undefined> {
  while (names.length > 0) {
    const left = [...names];
    while (left.length > 0) yield* left.splice(Math.floor(random() * left.length), 1);
  }
}
