/** An outside service that is pinged while the server truly works, with real processes. */

import { assert, assertEquals } from "@std/assert";
import { RunningClient } from "./running_client.ts";
import { RunningServer } from "./running_server.ts";
import { pause, until } from "./until.ts";

Deno.test("an outside service is pinged while the server works, and no longer when nobody takes its alerts", async () => {
  let pings = 0;
  const service = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    if (request.method === "POST") return new Response("no", { status: 500 });
    pings++;
    return new Response("ok");
  });
  await using _service = { [Symbol.asyncDispose]: () => service.shutdown() };
  const at = `http://127.0.0.1:${service.addr.port}`;
  const notify = ["--notify-url", `${at}/ping/Secret123`, "--notify-every", "1s"];
  await using server = await RunningServer.start({
    args: ["--interval", "1s", "--alert", `${at}/bad`, ...notify],
  });
  await until(() => pings >= 3, { what: "three pings" });
  await using client = await RunningClient.start(server, "till-3");
  await client.kill();
  await until(() => server.program.said.includes("is not pinged: no channel takes alerts"), {
    what: () => `no ping\n${server.program.said}`,
    timeoutMs: 60_000,
  });
  const before = pings;
  await pause(3_000);
  assertEquals(pings, before);
  assert(!server.program.said.includes("Secret123"), "the address of the ping in the log");
  // The server's visits to its own port are no connections that failed.
  const audits = await server.log("audit");
  assertEquals(audits.filter(({ action }) => action === "tls_failed"), []);
});
