/** Two machines with one identity, as after a disk image was copied. */

import { assertEquals, assertMatch } from "@std/assert";
import type { AlertView } from "../server/json_view.ts";
import { RunningClient } from "./running_client.ts";
import { RunningServer } from "./running_server.ts";
import { until } from "./until.ts";

Deno.test("the newest of two machines with one identity is let in, the operator is told once, and four changes of place shut both out (fault 25)", async () => {
  await using server = await RunningServer.start({ args: ["--interval", "2"] });
  await using first = await RunningClient.join(server, "till-3");
  await using second = await first.copy();
  first.run();
  await server.untilState("till-3", "UP");
  second.run();
  await first.agent.line(/Another machine or process uses this identity/);
  const alerts = () => server.api<AlertView[]>("/api/alerts?open=1");
  const [alert] = await until(async () => {
    const open = await alerts();
    return open.length > 0 ? open : undefined;
  }, { what: () => "the alert" });
  assertEquals([alert?.kind, alert?.cause, alert?.severity], ["identity", "replaced", "warning"]);
  assertEquals((await server.untilState("till-3", "UP")).cause, null);
  // Whichever is started anew is the newest, so that they take each other's place.
  const turns = [first, second, first, second];
  for (const machine of turns) {
    const other = machine === first ? second : first;
    await machine.kill();
    machine.run();
    await other.agent.line(/uses this identity|Nobody is let in/);
  }
  await until(async () => (await alerts())[0]?.severity === "critical" || undefined, {
    what: () => `both shut out\n${server.program.said}`,
  });
  const { cause } = await server.untilState("till-3", "PLANNED");
  assertEquals(cause, "replaced");
  const all = await server.api<AlertView[]>("/api/alerts");
  assertEquals(all.map(({ clients, kind }) => [clients, kind]), [[["till-3"], "identity"]]);
  assertMatch(server.program.said, /Two machines use the identity|two machines use the identity/);
});
