import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { decodeJoinKey } from "../protocol/mod.ts";
import { shownCommands } from "../scripts/readme_commands.ts";
import { CI_COMMANDS, SHORT_FORMS, STORY_COMMANDS } from "./readme_commands.ts";
import { type ReadmeStage, runReadme, startReadme } from "./readme_program.ts";
import type { RunningProgram } from "./running_program.ts";
import { ROOT } from "./program.ts";

/** Asks a program to end as a service manager would; its exit code. */
function stop(program: RunningProgram): Promise<number> {
  program.signal("SIGTERM");
  return program.exitCode();
}

Deno.test("README shows exactly the commands that are run by tests", async () => {
  const readme = await Deno.readTextFile(join(ROOT, "README.md"));
  const shown = new Set(shownCommands(readme).map(({ text }) => text));
  const known = new Set<string>([...STORY_COMMANDS, ...CI_COMMANDS, ...SHORT_FORMS]);
  assertEquals([...shown].sort(), [...known].sort());
});

Deno.test("README's commands for the whole project are run by .ci/run", async () => {
  const ci = await Deno.readTextFile(join(ROOT, ".ci", "run"));
  for (const command of CI_COMMANDS) assertStringIncludes(ci, command);
  const long = new Set<string>(CI_COMMANDS);
  for (const command of SHORT_FORMS) {
    assert(long.has(command.replace("deno", "npx -y deno@2.9.5")), `${command} has no long form`);
  }
});

/** What the README says of alerts: a window, a machine that freezes, and who takes care of it. */
async function tellAlerts(
  { server, newClient, stage }: {
    server: RunningProgram;
    newClient: RunningProgram;
    stage: ReadmeStage;
  },
): Promise<void> {
  await succeed(
    'hbserver maintenance till-3 --every "Sun 02:00-04:00" --zone Europe/Berlin',
    stage,
  );
  const plan = await succeed("hbserver plan", stage);
  assertMatch(plan.stdout, /maintenance +till-3 .*every Sun 02:00-04:00 \(Europe\/Berlin\)/);
  const id = plan.stdout.match(/^(\d+) +maintenance/m)?.[1] ?? "";
  // On a Sunday night it would hold.
  await runReadme(`hbserver plan --remove ${id}`, stage);
  newClient.signal("SIGSTOP");
  await server.line(/ALERT till-3 is DOWN/);
  const acked = await succeed('hbserver ack till-3 "on my way"', stage);
  assertMatch(acked.stderr, /Acknowledged #\d+: till-3/);
  await succeed("hbserver snooze till-3 --for 2h", stage);
  newClient.signal("SIGCONT");
  await server.line(/RECOVERED till-3/);
  const month = await runReadme("hbserver report", stage);
  assertMatch(month.stdout, /till-3 +\d+\.\d{3} %/);
  const { code, stderr } = await runReadme("hbserver report --month 2026-11", stage);
  // A machine whose clock is behind that month is told so.
  assert(code === 0 || stderr.includes("yet to come"), stderr);
}

/** A task that is killed leaves its program behind; one that is asked to end takes it along. */
function goodbye(task: RunningProgram): AsyncDisposable {
  return { [Symbol.asyncDispose]: async () => void await stop(task) };
}

/** A new user's directories: the server's, two clients' and a desk to work at. */
async function stages() {
  const root = await Deno.makeTempDir({ prefix: "hb-readme-" });
  await Deno.writeTextFile(join(root, "report.pdf"), "a report");
  await Deno.writeTextFile(join(root, "setup.msi"), "an installer");
  await Deno.mkdir(join(root, "photos"));
  await Deno.writeTextFile(join(root, "photos", "sea.jpg"), "a photo");
  const stage = (name: string, more: Record<string, string> = {}): ReadmeStage => ({
    directory: root,
    env: { HB_DATA: join(root, name), ...more },
  });
  const port = { HB_LISTEN: "127.0.0.1:0", HB_HTTP: "off", HB_INTERVAL: "1" };
  return {
    server: stage("server", port),
    classicServer: stage("classic-server", port),
    client: stage("client"),
    newClient: stage("new-client"),
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

async function succeed(command: (typeof STORY_COMMANDS)[number], stage: ReadmeStage, key = "") {
  const result = await runReadme(command.replace("KEY", key), stage);
  assertEquals(result.code, 0, `${command}: ${result.stderr}`);
  return result;
}

Deno.test("README's commands do what it says, word for word", async (t) => {
  await using on = await stages();
  await t.step("two terminals, and the commands on the server", async () => {
    await using server = startReadme("deno task server", on.server);
    await using _server = goodbye(server);
    await server.line(/Listening on 127\.0\.0\.1:\d+ \(TLS\)/);
    const invited = await succeed("deno task -q server invite --name till-3", on.server);
    await succeed("deno task -q client join KEY", on.client, invited.stdout.trim());
    await using client = startReadme("deno task client", on.client);
    await using _client = goodbye(client);
    await server.line(/till-3: .*-> UP/);
    const clients = await succeed("hbserver clients", on.server);
    assertMatch(clients.stdout, /^till-3 +UP /m);
    await succeed('hbserver message till-3 "please restart the printer"', on.server);
    await client.line(/please restart the printer/);
    const log = await succeed("hbserver log till-3 --kind state,alert", on.server);
    assertMatch(log.stdout, /till-3 +state +/);
    {
      await using follow = startReadme("hbserver log --follow", on.server);
      await succeed('hbclient message "printer is on fire"', on.client);
      await follow.line(/printer is on fire/);
    }
    await server.line(/till-3: printer is on fire/);
    const inbox = await succeed("hbclient inbox --read", on.client);
    assertMatch(inbox.stdout, /new {2}please restart the printer/);
    const sent = await succeed("hbclient send report.pdf", on.client);
    assertMatch(sent.stdout + sent.stderr, /report\.pdf/);
    const folder = await succeed("hbclient send photos", on.client);
    assertMatch(folder.stdout, /stored 1 file .*photos/);
    await succeed("hbserver push till-3 setup.msi --wait", on.server);
    assertEquals(
      await Deno.readTextFile(join(on.client.env.HB_DATA ?? "", "files", "setup.msi")),
      "an installer",
    );
    const ownLog = await succeed("hbclient log", on.client);
    assertMatch(ownLog.stdout, /client -> server \(\w+\): printer is on fire/);
    assertMatch(ownLog.stdout, /server sent setup\.msi/);
    const status = await succeed("hbclient status", on.client);
    assertStringIncludes(status.stdout, "till-3");
    const files = await succeed("hbserver files till-3", on.server);
    assertStringIncludes(files.stdout, "report.pdf");
    await succeed("hbserver alerts --open", on.server);
    await succeed("hbserver backup hb-2026-11-23.sqlite", on.server);
    const backup = await Deno.stat(join(on.server.directory, "hb-2026-11-23.sqlite"));
    assert(backup.size > 0);
    await succeed("hbserver revoke till-3", on.server);
    assertEquals(await client.exitCode(), 4, "it ends by itself, and says why by its exit code");
    const again = await succeed("hbserver invite --name till-3", on.server);
    await succeed("hbclient join KEY --name till-3", on.newClient, again.stdout.trim());
    await using newClient = startReadme("hbclient", on.newClient);
    await newClient.line(/connected/i);
    await tellAlerts({ server, newClient, stage: on.server });
    const cloud = await succeed(
      "hbserver invite --name vm-1 --address 203.0.113.7:5001 --address 10.0.0.4:5001",
      on.server,
    );
    const { addresses } = decodeJoinKey(cloud.stdout);
    assertEquals(addresses, ["203.0.113.7:5001", "10.0.0.4:5001"]);
    assertEquals(await stop(newClient), 0);
    assertEquals(await stop(server), 0);
  });
  await t.step("hbserver alone", async () => {
    await using server = startReadme("hbserver", on.server);
    await server.line(/Listening on .* \(TLS\)/);
  });
  await t.step("hbserver --plaintext --open serves a classic client", async () => {
    await using server = startReadme("hbserver --plaintext --open", on.classicServer);
    const line = await server.line(/Listening on .* \(plaintext, open\)/);
    const port = Number(/:(\d+) \(/.exec(line)?.[1]);
    using classic = await Deno.connect({ hostname: "127.0.0.1", port });
    await classic.write(new TextEncoder().encode("HEARTBEAT"));
    await server.line(/127\.0\.0\.1: .*-> UP/);
  });
});
