/** Alerts that leave the server: by webhooks that fail, over deaths of the server, and as operators have set. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import type { AlertView } from "../server/json_view.ts";
import { RunningClient } from "./running_client.ts";
import { RunningServer } from "./running_server.ts";
import { temporaryDirectory } from "./temporary_directory.ts";
import { pause, until } from "./until.ts";
import { isSigned, WebhookServer } from "./webhook_server.ts";

const SECRET = "a secret of the test";

Deno.test("an alert reaches a webhook exactly once that is away, answers 500, and outlives a SIGKILL of the server (fault 31)", async () => {
  await using desk = await temporaryDirectory();
  const file = join(desk.path, "alerts");
  // The port of a webhook that is away.
  const port = await freePort();
  await Deno.writeTextFile(
    file,
    `http://127.0.0.1:${port}/hook?token=hush secret=${SECRET.replaceAll(" ", "+")}\n`,
  );
  const args = ["--interval", "2", "--alert", `@${file}`];
  await using first = await RunningServer.start({ args });
  await using client = await RunningClient.start(first, "till-3");
  await client.kill();
  await first.program.line(/Tried to tell .*attempt 1 failed/);
  await using webhook = WebhookServer.start({ port, answer: (call) => call === 1 ? 500 : 200 });
  await first.program.line(/Tried to tell .*attempt 2 failed.*500/);
  const { data } = first;
  first.program.signal("SIGKILL");
  await first.program.exitCode();
  await using second = await RunningServer.start({ args, data, port: first.port });
  await until(() => Promise.resolve(webhook.taken.length > 0 || undefined), {
    what: () => `the alert: ${JSON.stringify(webhook.calls)}\n${second.program.said}`,
  });
  await client.run();
  await second.untilState("till-3", "UP");
  await until(() => Promise.resolve(webhook.taken.length > 1 || undefined), {
    what: () => `the recovery: ${JSON.stringify(webhook.calls)}`,
  });
  assertEquals(webhook.taken, ["till-3 is DOWN", "till-3 is UP again"]);
  assertEquals(
    new Set(webhook.calls.slice(0, 2).map(({ key }) => key)).size,
    1,
    "one id at every try",
  );
  for (const call of webhook.calls) {
    assert(isSigned(call, SECRET.replaceAll(" ", "+")), JSON.stringify(call));
  }
  const [alert] = await second.api<AlertView[]>("/api/alerts");
  const deliveries = alert?.deliveries.filter(({ channel }) => channel !== "console");
  assertEquals(deliveries?.map(({ kind, state }) => [kind, state]), [
    ["alert", "delivered"],
    ["recovery", "delivered"],
  ]);
  // The server may have died before it had noted the second one.
  const attempts = deliveries?.[0]?.attempts ?? 0;
  assert(attempts === 2 || attempts === 3, `${attempts} attempts`);
  const said = first.program.said + second.program.said;
  assert(!said.includes("hush") && !said.includes(SECRET.slice(0, 8)), "no secret is ever logged");
});

Deno.test("a webhook that takes its time delays no detection, and no other channel (fault 31)", async () => {
  const held = Promise.withResolvers<number>();
  await using slow = WebhookServer.start({ answer: () => held.promise });
  await using quick = WebhookServer.start();
  await using server = await RunningServer.start({
    args: ["--interval", "2", "--alert", slow.url, "--alert", quick.url],
  });
  await using one = await RunningClient.start(server, "one");
  await using two = await RunningClient.start(server, "two");
  await one.kill();
  await until(() => Promise.resolve(quick.taken.includes("one is DOWN") || undefined), {
    what: () => `the first alert: ${quick.taken}`,
  });
  const killedAt = performance.now();
  await two.kill();
  await server.untilState("two", "DOWN");
  const noticed = performance.now() - killedAt;
  assert(noticed < 5_000, `noticed after ${noticed} ms while a webhook stood still`);
  await until(() => Promise.resolve(quick.taken.length > 1 || undefined), {
    what: () => `the second alert: ${quick.taken}`,
  });
  held.resolve(200);
  await until(() => Promise.resolve(slow.taken.length > 1 || undefined), {
    what: () => `the slow ones: ${slow.taken}`,
  });
  assertEquals(slow.taken, quick.taken);
});

Deno.test("what operators set decides who is told: ack, snooze, maintenance, plan, escalation, test-alert", async () => {
  await using ops = WebhookServer.start();
  await using boss = WebhookServer.start();
  await using server = await RunningServer.start({
    args: ["--interval", "2", "--alert", ops.url, "--alert", `${boss.url} after=6s name=boss`],
  });
  const names = ["acked", "ignored", "worked-on", "planned", "snoozed"];
  await using machines = new AsyncDisposableStack();
  const clients = new Map<string, RunningClient>();
  for (const name of names) {
    // Each has a tag of its own, and an alert of its own as they fail one after the other.
    clients.set(name, machines.use(await RunningClient.start(server, name)));
  }
  const told = (webhook: WebhookServer, title: string) =>
    until(() => Promise.resolve(webhook.taken.includes(title) || undefined), {
      what: () => `"${title}" in ${webhook.taken}\n${server.program.said}`,
    });
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await server.command(...args);
    assertEquals(code, 0, stderr);
    return stdout + stderr;
  };
  assertMatch(await run("test-alert"), /boss +delivered/);
  assertMatch(
    await run("maintenance", "worked-on", "--for", "1h", "new disk"),
    /maintenance of worked-on/,
  );
  assertMatch(await run("plan", "planned", "--for", "1h"), /planned absence of planned/);
  assertMatch(await run("snooze", "snoozed", "--for", "14s"), /snooze of snoozed/);
  for (const name of ["worked-on", "planned", "snoozed"]) {
    await clients.get(name)?.kill();
    await server.untilState(name, "DOWN");
  }
  await clients.get("acked")?.kill();
  await told(ops, "acked is DOWN");
  assertMatch(await run("ack", "acked", "on", "my", "way"), /Acknowledged #\d+: acked/);
  await clients.get("ignored")?.kill();
  await told(ops, "ignored is DOWN");
  await told(boss, "ignored is DOWN");
  await told(ops, "snoozed is DOWN");
  const plans = await server.json<{ kind: string; who: string; note: string | null }[]>("plan");
  assertEquals(plans.map(({ kind, who, note }) => [kind, who, note]), [
    ["maintenance", "worked-on", "new disk"],
    ["plan", "planned", null],
  ]);
  const open = await server.json<AlertView[]>("alerts", "--open");
  assertEquals(
    open.map(({ clients, acked_by, note }) => [clients, acked_by !== null, note]).sort(),
    [
      [["acked"], true, "on my way"],
      [["ignored"], false, null],
      [["snoozed"], false, null],
    ],
  );
  await pause(1_000);
  assertEquals(boss.taken.filter((title) => title.startsWith("acked")), []);
  const all = [...ops.taken, ...boss.taken].filter((title) => /worked-on|planned/.test(title));
  assertEquals(all, []);
  const shown = await server.api<{ name: string; overlay: string[] }[]>("/api/clients");
  assertEquals(shown.map(({ name, overlay }) => `${name} ${overlay}`), [
    ...["acked ACKED", "ignored ", "planned PLANNED", "snoozed ", "worked-on MAINTENANCE"],
  ]);
});

/** A port on which nobody listens. */
async function freePort(): Promise<number> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await pause(0);
  return port;
}
