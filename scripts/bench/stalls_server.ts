/**
 * For `deno task bench stalls`: a server whose main thread notes how late a timer of it is, while its store's
 * commits take as long as a failpoint makes them.
 *
 * Arguments are those of `hbserver run` that the benchmark gives. Each line on stdin is the name of a phase that
 * ends; it is answered with the lateness since the last one, as a line of JSON. With `--bare` there is no server: the
 * same timer in a process that does nothing else, to tell the machine's part.
 *
 * @module
 */

import { parseArgs } from "node:util";
// @ts-types="../../platform/text_line_stream.d.ts"
import { TextLineStream } from "@std/streams/text-line-stream";
import { armFailpoint } from "../../platform/failpoint.ts";
import { showAddress } from "../../server/listener.ts";
import { startServer } from "../../server/server.ts";
import { writeText } from "../write_text.ts";
import { latencyOf } from "./bench_result.ts";
import { TimerLateness } from "./timer_lateness.ts";

const { values } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    bare: { type: "boolean", default: false },
    data: { type: "string", default: "" },
    listen: { type: "string", default: "127.0.0.1:0" },
    http: { type: "string", default: "off" },
    interval: { type: "string", default: "20" },
    json: { type: "boolean", default: false },
    "commit-ms": { type: "string", default: "0" },
  },
});

async function serve(): Promise<AsyncDisposable> {
  const sleepMs = Number(values["commit-ms"]);
  if (sleepMs > 0) armFailpoint(`store_commit=sleep:${sleepMs}`, () => Deno.exit(1));
  const server = await startServer({
    dataDirectory: values.data,
    listen: { hostname: "127.0.0.1", port: 0 },
    intervalMs: Number(values.interval) * 1_000,
  });
  const { hostname, port } = server.address;
  say({ listening: showAddress(hostname, port), api: server.apiUrl, server_id: server.serverId });
  return server;
}

function say(value: object): void {
  writeText(Deno.stdout, `${JSON.stringify(value)}\n`);
}

if (import.meta.main) {
  await using _server = values.bare ? undefined : await serve();
  using lateness = new TimerLateness();
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  for await (const phase of lines) {
    const { times, own } = lateness.take();
    say({ phase, lateness: latencyOf(times), own: own.length > 0 ? latencyOf(own) : undefined });
  }
}
