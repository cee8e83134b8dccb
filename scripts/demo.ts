/**
 * `deno task demo`: the main job for real, on this machine alone, in under a minute: a server and two
 * clients, heartbeats, a message each way, a file, a killed client with its alert, and its recovery.
 *
 * Everything happens in a temporary directory, which is removed at the end, with two real client processes
 * over real TLS. The interval is one second instead of twenty, so that nobody waits.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { BuildConfig } from "./build_plan.ts";
import { DemoProgram, type DemoStage, runProgram } from "./demo_program.ts";
import { writeText } from "./write_text.ts";

/** Longest wait for any one thing, in milliseconds. */
const LIMIT_MS = 20_000;
/** Size of the file that is sent, in bytes. */
const FILE_BYTES = 3_000_000;

interface ClientView {
  name: string;
  state: string;
  rtt_ms: number | null;
  vitals: { cpu?: number; mem?: number } | null;
}

/** A demo under way. */
interface Demo extends DemoStage {
  server: DemoProgram;
  serverData: string;
  directory: string;
}

if (import.meta.main) await main();

async function main(): Promise<void> {
  const startedAt = performance.now();
  const root = join(import.meta.dirname ?? ".", "..");
  const config: BuildConfig = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));
  const directory = await Deno.makeTempDir({ prefix: "hb-demo-" });
  try {
    await play({ root, config }, directory);
  } catch (error) {
    writeText(Deno.stderr, `demo: error: ${error instanceof Error ? error.message : error}\n`);
    Deno.exitCode = 1;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  if (Deno.exitCode === 0) say(`Done in ${seconds} s; everything is cleaned up.`);
}

async function play(stage: DemoStage, directory: string): Promise<void> {
  const serverData = join(directory, "server");
  const listen = ["--listen", "127.0.0.1:0", "--http", "off", "--interval", "1", "--json"];
  say("1. hbserver starts, with TLS and a key of its own");
  await using server = new DemoProgram(stage, "hbserver", ["--data", serverData, ...listen]);
  const { listening } = JSON.parse(await server.line(/^\{"listening"/, LIMIT_MS));
  show(`listening on ${listening}`);
  const demo: Demo = { ...stage, server, serverData, directory };

  say("2. Two clients join with a key each, and start");
  await using till1 = await startClient(demo, "till-1");
  await using till2 = await startClient(demo, "till-2");

  say("3. Heartbeats, once a second here and every 20 seconds by default");
  for (const client of await bothUp(demo)) {
    const { name, state, rtt_ms: roundTrip, vitals } = client;
    const mem = vitals?.mem === undefined ? "" : `, memory ${Math.round(vitals.mem * 100)} %`;
    show(`${name} is ${state}, round trip ${roundTrip?.toFixed(1)} ms${mem}`);
  }

  say("4. A message each way");
  await talk(demo, till1);

  say(`5. A file of ${FILE_BYTES} bytes`);
  await sendFile(demo);

  say("6. till-2 is killed without warning");
  await till2.kill();
  show(await server.line(/ALERT till-2 is DOWN/, LIMIT_MS));

  say("7. till-2 comes back");
  await using again = new DemoProgram(stage, "hbclient", ["--data", join(directory, "till-2")]);
  show(await server.line(/RECOVERED till-2/, LIMIT_MS));

  say("8. Everybody says goodbye");
  await till1.type("bye");
  await Promise.all([again.stop(), server.line(/till-1: UP -> PLANNED/, LIMIT_MS)]);
  show(await server.line(/till-1: UP -> PLANNED/, LIMIT_MS));
  await server.stop();
}

async function startClient(demo: Demo, name: string): Promise<DemoProgram> {
  const { serverData, directory } = demo;
  const invite = ["invite", "--data", serverData, "--name", name, "--json"];
  const { key } = JSON.parse(await runProgram(demo, "hbserver", invite));
  const data = join(directory, name);
  await runProgram(demo, "hbclient", ["join", key, "--data", data]);
  show(`${name} joined with ${key.slice(0, 24)}…`);
  return new DemoProgram(demo, "hbclient", ["--data", data]);
}

async function bothUp(demo: Demo): Promise<ClientView[]> {
  const deadline = performance.now() + LIMIT_MS;
  while (true) {
    const text = await runProgram(demo, "hbserver", [
      "clients",
      "--data",
      demo.serverData,
      "--json",
    ]);
    const clients: ClientView[] = JSON.parse(text);
    const known = clients.filter(({ state, rtt_ms: roundTrip, vitals }) =>
      state === "UP" && roundTrip !== null && vitals !== null
    );
    if (known.length === 2) return known;
    if (performance.now() > deadline) throw new Error(`Cannot see both clients UP: ${text}`);
  }
}

async function talk(demo: Demo, client: DemoProgram): Promise<void> {
  const { serverData } = demo;
  await client.type("the printer is on fire");
  const log = new DemoProgram(demo, "hbserver", [
    "log",
    "till-1",
    "--follow",
    "--data",
    serverData,
  ]);
  await using _log = log;
  show(await log.line(/the printer is on fire/, LIMIT_MS));
  const reply = ["message", "till-1", "coming", "--wait", "--data", serverData];
  await runProgram(demo, "hbserver", reply);
  show(`on till-1's screen: ${await client.line(/coming/, LIMIT_MS)}`);
}

async function sendFile(demo: Demo): Promise<void> {
  const { directory, serverData } = demo;
  const bytes = new Uint8Array(FILE_BYTES).map((_, at) => (at * at) >> 7);
  const file = join(directory, "report.pdf");
  await Deno.writeFile(file, bytes);
  await runProgram(demo, "hbclient", ["send", file, "--data", join(directory, "till-2")]);
  const [stored] = JSON.parse(
    await runProgram(demo, "hbserver", ["files", "till-2", "--data", serverData, "--json"]),
  );
  const sha256 = createHash("sha256").update(await Deno.readFile(stored.path)).digest("hex");
  const wanted = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== wanted || stored.sha256 !== wanted) throw new Error("The file arrived changed");
  show(`${stored.path.slice(directory.length)} is identical, sha256 ${sha256.slice(0, 16)}…`);
}

function say(text: string): void {
  writeText(Deno.stdout, `${text}\n`);
}

function show(text: string): void {
  writeText(Deno.stdout, `   ${text}\n`);
}
