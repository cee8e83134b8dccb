/**
 * `deno task soak kills`: server and client are killed over and over, at failpoints and at any moment, while
 * they talk; says whether anything that was acknowledged is missing, doubled or out of order.
 *
 * @module
 */

import { reportLines } from "../../tests/faults/kill_report.ts";
import { killStory } from "../../tests/faults/kill_story.ts";
import type { Death } from "../../tests/faults/mortal.ts";
import { runSoak, type SoakPorts } from "./soak_options.ts";

const OPTIONS = {
  kills: {
    default: 200,
    min: 2,
    max: 100_000,
    about: "kills, of the server and the client in turn",
  },
  rate: { default: 50, min: 1, max: 500, about: "messages a second of each side" },
  stops: {
    default: 0,
    min: 0,
    max: 100,
    about: "percent of the SIGKILLs that are SIGTERMs instead",
  },
  seed: { default: 0, min: 0, max: 2 ** 32 - 1, about: "what the plan is drawn from" },
};

async function run(
  { kills, rate, stops, seed }: Record<keyof typeof OPTIONS, number>,
  { say, signal }: SoakPorts,
): Promise<boolean> {
  say(`seed ${seed}, ${kills} kills, ${rate} messages a second of each side`);
  const startedAt = performance.now();
  const report = await killStory({
    ...{ seed, kills, rate, stops: stops / 100 },
    onDeath: (death) => {
      signal.throwIfAborted();
      say(`${seconds(startedAt)} ${wordsOf(death)}`);
    },
    onStep: (what) => say(`${seconds(startedAt)} ${what}`),
  });
  for (const line of reportLines(report)) say(line);
  return report.violations.length === 0;
}

function seconds(startedAt: number): string {
  return `${((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)} s`;
}

function wordsOf({ kill, atFailpoint, wrong }: Death): string {
  const { number, victim, failpoint, signal, early } = kill;
  const point = failpoint === undefined ? "" : `${failpoint.name}:${failpoint.passage}`;
  const how = atFailpoint ? point : point === "" ? signal : `${signal}, ${point} not reached`;
  return `#${number} ${victim} ${how}${early ? ", early" : ""}${
    wrong === undefined ? "" : `: ${wrong}`
  }`;
}

if (import.meta.main) {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  const options = { ...OPTIONS, seed: { ...OPTIONS.seed, default: seed } };
  Deno.exit(await runSoak("Kills server and client while they talk.", options, run));
}
