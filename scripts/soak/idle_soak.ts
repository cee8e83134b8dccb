/**
 * `deno task soak idle`: a real server with many quiet clients for minutes, and one real client among them;
 * says whether memory, descriptors, threads, the databases' logs and the wake-ups stay flat.
 *
 * Timers of another process cannot be counted. One that is never given back fires and wakes the main thread, or
 * keeps its memory: so the wake-ups between two samples, and the memory, stand for them.
 *
 * @module
 */

import { sleep, systemClock } from "../../platform/clock.ts";
import { clientDatabase, serverDatabase } from "../../tests/faults/kept_state.ts";
import { QuietClient } from "../../tests/faults/quiet_client.ts";
import { RunningClient } from "../../tests/running_client.ts";
import { RunningServer } from "../../tests/running_server.ts";
import { type FlatBounds, ProcessWatch } from "./process_watch.ts";
import { runSoak, type SoakPorts } from "./soak_options.ts";

const OPTIONS = {
  minutes: { default: 10, min: 0.2, max: 10_000, fraction: true, about: "how long" },
  clients: { default: 200, min: 1, max: 1_000, about: "quiet clients" },
  interval: { default: 20, min: 1, max: 60, about: "seconds between two heartbeats" },
  message: { default: 60, min: 1, max: 3_600, about: "seconds between two messages of a client" },
  every: { default: 10, min: 1, max: 600, about: "seconds between two samples" },
};

/**
 * What counts as flat. The server's bound leaves room for its collectors: the one of the store's worker lets the
 * heap grow from 6 to 14 MiB before it looks (`--trace-gc`), which takes half an hour at a message a minute and
 * so looks like 270 KiB a minute. With `--interval 1 --message 2` the same happens 30 times as fast.
 */
const SERVER_BOUNDS: FlatBounds = {
  rssKibPerMinute: 512,
  descriptors: 5,
  threads: 2,
  walBytes: 16 * 1024 * 1024,
  wakeupsPercent: 20,
};
const CLIENT_BOUNDS: FlatBounds = { ...SERVER_BOUNDS, rssKibPerMinute: 256 };
const MINUTE_MS = 60_000;
/** Clients that connect at once. */
const CONNECTING = 10;

type Options = Record<keyof typeof OPTIONS, number>;

async function run(options: Options, { say, signal }: SoakPorts): Promise<boolean> {
  const { clients: count, interval, message, minutes, every } = options;
  const messageMs = message * 1000;
  say(
    `${minutes} minutes, ${count} clients, TLS, a heartbeat each ${interval} s, a message each ${message} s`,
  );
  await using server = await RunningServer.start({ args: ["--interval", `${interval}`] });
  await using real = await RunningClient.start(server, "real");
  await using crowd = new AsyncDisposableStack();
  const quiet = await connect(server, { count, crowd, messageMs });
  say(`all connected`);
  const watches = [
    new ProcessWatch("server", {
      pid: server.program.pid,
      database: serverDatabase(server.data),
      bounds: SERVER_BOUNDS,
    }),
    new ProcessWatch("client", {
      pid: real.agent.pid,
      database: clientDatabase(real.data),
      bounds: CLIENT_BOUNDS,
    }),
  ];
  const broadcast = setInterval(() => {
    server.api("/api/messages", { who: "all", text: "is all well?" })
      .catch((error) => say(`Cannot send to all: ${error}`));
  }, messageMs);
  try {
    const startedAt = performance.now();
    while (performance.now() - startedAt < minutes * MINUTE_MS) {
      for (const watch of watches) await watch.sample();
      const passed = (performance.now() - startedAt) / MINUTE_MS;
      say(`${passed.toFixed(2).padStart(6)} min: ${watches.map(({ now }) => now).join("; ")}`);
      await sleep(systemClock, every * 1000, signal);
    }
  } finally {
    clearInterval(broadcast);
  }
  return await judge({ server, quiet, watches }, say);
}

async function connect(
  server: RunningServer,
  { count, crowd, messageMs }: { count: number; crowd: AsyncDisposableStack; messageMs: number },
): Promise<QuietClient[]> {
  const join = await server.invite("--uses", `${count}`);
  const quiet: QuietClient[] = [];
  for (let first = 0; first < count; first += CONNECTING) {
    const numbers = Array.from(
      { length: Math.min(CONNECTING, count - first) },
      (_, index) => first + index,
    );
    const connected = await Promise.all(numbers.map((number) =>
      QuietClient.connect(server, {
        name: `quiet-${number}`,
        tls: true,
        join,
        messageMs,
        offset: number / count,
      })
    ));
    quiet.push(...connected.map((client) => crowd.use(client)));
  }
  return quiet;
}

async function judge(
  { server, quiet, watches }: {
    server: RunningServer;
    quiet: QuietClient[];
    watches: ProcessWatch[];
  },
  say: (line: string) => void,
): Promise<boolean> {
  const verdicts = watches.map((watch) => watch.verdict());
  for (const line of verdicts.flatMap(({ lines }) => lines)) say(line);
  const total = (of: (client: QuietClient) => number) =>
    quiet.reduce((sum, client) => sum + of(client), 0);
  const ended = quiet.filter((client) => client.ended !== undefined);
  const alerts = await server.json<unknown[]>("alerts");
  say(
    `messages: ${total(({ sent }) => sent)} sent, ${total(({ stored }) => stored)} stored, ` +
      `${total(({ received }) => received)} received; ` +
      `${ended.length} connections lost, ${alerts.length} alerts`,
  );
  for (const { ended: why } of ended.slice(0, 5)) say(`lost: ${why}`);
  const isFlat = verdicts.every((verdict) => verdict.isFlat);
  const isWell = isFlat && ended.length === 0 && alerts.length === 0;
  say(isWell ? "ok" : "FAILED");
  return isWell;
}

if (import.meta.main) {
  Deno.exit(await runSoak("Holds many quiet clients and looks for growth.", OPTIONS, run));
}
