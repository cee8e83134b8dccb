/**
 * Files over a line that breaks, between programs that are killed: they arrive once, whole, and are not sent over
 * and over. The points at which things break are random; the name of each test's step tells their seed, and
 * `HB_SEED` repeats it.
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { join } from "node:path";
import { type CutKind, CuttingProxy } from "./cutting_proxy.ts";
import { published, PublishedWatch, staged } from "./published_watch.ts";
import { RunningClient } from "./running_client.ts";
import type { RunningProgram } from "./running_program.ts";
import { type FileView, RunningServer } from "./running_server.ts";
import { sha256Of, writeSample } from "./sample_file.ts";
import { temporaryDirectory } from "./temporary_directory.ts";

const MB = 1_000_000;
const PLAN = { bytes: 500 * MB, cuts: 20, clientKills: 5, serverKills: 5 };
/** Share of its size that a file may cost on the line. */
const MOST_SENT = 1.2;
const CUT_KINDS: readonly CutKind[] = ["reset", "end", "silence"];
/** Longest time for one run of a sender, in milliseconds. */
const SEND_LIMIT_MS = 60_000;
/** Exit codes of a sender that was cut off, or that did not find the server. */
const CUT_OFF = [9, 3];

/** Pseudorandom numbers from 0 to 1 (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function newSeed(): number {
  return Number(Deno.env.get("HB_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);
}

/** A server that is killed and started again on the same data and port. */
class MortalServer implements AsyncDisposable {
  current: RunningServer;
  kills = 0;
  #restarting: Promise<void> = Promise.resolve();

  private constructor(first: RunningServer) {
    this.current = first;
  }

  static async start(data: string): Promise<MortalServer> {
    return new MortalServer(await RunningServer.start({ args: ["--interval", "1"], data }));
  }

  /** Kills it without warning; it comes back by itself. */
  kill(): void {
    this.kills++;
    this.#restarting = this.#restarting.then(async () => {
      const { data, port } = this.current;
      await this.current[Symbol.asyncDispose]();
      this.current = await RunningServer.start({ args: ["--interval", "1"], data, port });
    });
  }

  /** Resolves with the server once it is back. */
  async alive(): Promise<RunningServer> {
    await this.#restarting;
    return this.current;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#restarting;
    await this.current[Symbol.asyncDispose]();
  }
}

/** Runs the same command again and again, until it is done; says how often. */
async function sendUntilDone(
  start: () => RunningProgram,
  { onStart, mostRuns }: { onStart: (sending: RunningProgram) => void; mostRuns: number },
): Promise<string[]> {
  const ends: string[] = [];
  while (ends.length < mostRuns) {
    await using sending = start();
    onStart(sending);
    const code = await sending.exitCode(SEND_LIMIT_MS);
    ends.push(`${code} ${sending.stderr.at(-1) ?? ""}`);
    if (code === 0) return ends;
    // 137 is our own SIGKILL.
    assert([...CUT_OFF, 137].includes(code), `exit code ${code}: ${sending.said}`);
  }
  throw new Error(`Cannot see the file sent after ${mostRuns} runs:\n${ends.join("\n")}`);
}

Deno.test({
  name:
    `${PLAN.bytes / MB} MB through ${PLAN.cuts} cuts, ${PLAN.clientKills} kills of the client ` +
    `and ${PLAN.serverKills} of the server arrive once and whole (fault 12) [HB-110] [HB-114]`,
  fn: async (t) => {
    const seed = newSeed();
    await t.step(`seed ${seed}`, () => uploadThrough(seed));
  },
});

async function uploadThrough(seed: number): Promise<void> {
  const random = randomOf(seed);
  const { bytes, cuts, clientKills, serverKills } = PLAN;
  await using desk = await temporaryDirectory();
  await using server = await MortalServer.start(join(desk.path, "server"));
  await using proxy = await CuttingProxy.start(server.current.port);
  const { address } = proxy;
  await using client = await RunningClient.join(server.current, "till-3", { address });
  const path = join(desk.path, "large.bin");
  const digest = await writeSample(path, bytes);
  const { files } = server.current;
  const joining = proxy.passed.toServer;

  let sending: RunningProgram | undefined;
  let happened = 0;
  const fault = (action: () => void) => {
    proxy.at(joining + Math.floor(bytes * (0.01 + 0.97 * random())), () => {
      happened++;
      action();
    });
  };
  for (let n = 0; n < cuts; n++) fault(() => proxy.cut(CUT_KINDS[n % CUT_KINDS.length] ?? "end"));
  for (let n = 0; n < clientKills; n++) fault(() => sending?.signal("SIGKILL"));
  for (let n = 0; n < serverKills; n++) fault(() => server.kill());

  await using watch = new PublishedWatch(files);
  const ends = await sendUntilDone(() => client.start("send", path), {
    onStart: (started) => sending = started,
    mostRuns: 2 * (cuts + clientKills + serverKills),
  });
  const final = await server.alive();
  assertEquals(happened, cuts + clientKills + serverKills, "every fault happened");
  assertEquals(await published(files), ["till-3", `till-3/large.bin: ${bytes}`]);
  await watch[Symbol.asyncDispose]();
  assertEquals(
    [...watch.seen].sort(),
    ["till-3", `till-3/large.bin: ${bytes}`],
    "nothing else, ever",
  );
  assertEquals(await sha256Of(join(files, "till-3", "large.bin")), digest);
  const records = await final.json<FileView[]>("files");
  assertEquals(records.map(({ name, sha256 }) => [name, sha256]), [["large.bin", digest]]);
  const cost = proxy.passed.toServer / bytes;
  assertLess(cost, MOST_SENT, `sent ${cost.toFixed(3)} times the size in ${ends.length} runs`);
  assertEquals(await staged(files), [], "nothing is left in staging");
}
