/**
 * One contestant's way through the rounds of one case: prepare, send, verify, clean, and keep the first
 * problem instead of ending everybody's race.
 *
 * @module
 */

import { join } from "node:path";
import type { Entry, Round } from "./bench_result.ts";
import type { Contestant, ReadyContestant } from "./contestant.ts";
import { type Payload, touchPayload, warmMemory } from "./files_case.ts";
import { problemText } from "./problem_text.ts";
import { treeDigest } from "./tree_digest.ts";

/** What all lanes of a case share. */
export interface Race {
  readonly payload: Payload;
  /** The payload's {@linkcode treeDigest}. */
  readonly digest: string;
  /** A folder on the medium. */
  readonly directory: string;
  /** A folder for keys and notes. */
  readonly scratch: string;
  /** The project's folder. */
  readonly root: string;
}

/** A lane; disposing of it ends its servers. */
export class Lane implements AsyncDisposable {
  readonly #contestant: Contestant;
  readonly #race: Race;
  readonly #rounds: Round[] = [];
  #ready: ReadyContestant | undefined;
  #problem: string | undefined;
  #isTold = false;

  /** Gets a contestant ready, or notes why it cannot be. */
  static async open(contestant: Contestant, race: Race): Promise<Lane> {
    const lane = new Lane(contestant, race);
    await lane.#attempt(() => lane.#open());
    return lane;
  }

  private constructor(contestant: Contestant, race: Race) {
    this.#contestant = contestant;
    this.#race = race;
  }

  /** What came of it. */
  get entry(): Entry {
    const problem = this.#problem;
    const contestant = this.#contestant.name;
    return { contestant, rounds: this.#rounds, ...(problem === undefined ? {} : { problem }) };
  }

  /** One round. What it came to, for people; undefined after a problem that was told before. */
  async run(): Promise<string | undefined> {
    if (this.#isTold) return undefined;
    await this.#attempt(() => this.#send());
    this.#isTold = this.#problem !== undefined;
    const { name } = this.#contestant;
    return `${name} ${this.#problem ?? `${this.#rounds.at(-1)?.seconds.toFixed(2)} s`}`;
  }

  /** Ends what lasts for all rounds. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ready?.[Symbol.asyncDispose]();
    this.#ready = undefined;
  }

  async #open(): Promise<void> {
    const missing = this.#contestant.missing();
    if (missing !== undefined) {
      this.#problem = `missing: ${missing} is not installed`;
      return;
    }
    const { name } = this.#contestant;
    const directory = join(this.#race.directory, name);
    const scratch = join(this.#race.scratch, name);
    for (const folder of [directory, scratch]) await Deno.mkdir(folder, { recursive: true });
    await warmMemory(directory, this.#race.payload.bytes);
    this.#ready = await this.#contestant.open({ directory, scratch });
  }

  async #send(): Promise<void> {
    if (this.#ready === undefined) return;
    const { payload, digest } = this.#race;
    await touchPayload(payload);
    await writeBack();
    const { round, path } = await this.#ready.send(payload);
    try {
      if (treeDigest(path) !== digest) throw new Error("what arrived is not what was sent");
    } finally {
      await Deno.remove(path, { recursive: true });
    }
    this.#rounds.push(round);
  }

  /** Runs `work`; a failure becomes this lane's problem and ends its servers. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    if (this.#problem !== undefined) return;
    try {
      await work();
    } catch (error) {
      const { directory, scratch, root } = this.#race;
      this.#problem = `failed: ${problemText(error, [directory, scratch, root])}`;
      await this[Symbol.asyncDispose]();
    }
  }
}

/** Lets the system write to disk what earlier rounds left in its memory, so that nobody pays for others. */
async function writeBack(): Promise<void> {
  try {
    await new Deno.Command("sync", { stdout: "null", stderr: "null" }).output();
  } catch (error) {
    // A system without the command: rounds are less even, but nothing is wrong.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
