/**
 * `hbserver test-alert`: see whether alerts arrive.
 *
 * @module
 */

import type { Cell } from "../../platform/terminal.ts";
import type { TestView } from "../alert/alert_operations.ts";
import { findServer } from "../api_client.ts";
import { CommandError, EXIT } from "../exit_code.ts";
import type { InvocationOf } from "../options.ts";
import type { CommandContext } from "./context.ts";

/** Sends a test to every channel and prints how each took it; rejects when one did not. */
export async function testAlertCommand(
  { options }: InvocationOf<"test-alert">,
  { terminal, dataDirectory, user }: CommandContext,
): Promise<void> {
  const server = await findServer(dataDirectory);
  const by = options.by ?? user;
  const results = await server.post<TestView[]>("/api/test-alert", { by });
  if (options.json) terminal.json(results);
  else {
    const rows = results.map(({ channel, state, error, ms }): Cell[] => [
      channel,
      { text: state, style: state === "delivered" ? "green" : "red" },
      `${ms} ms`,
      error ?? "",
    ]);
    const head = ["CHANNEL", "RESULT", "TIME", "WHY"];
    terminal.table([head.map((text): Cell => ({ text, style: "bold" })), ...rows]);
  }
  const failed = results.filter(({ state }) => state === "failed").length;
  if (failed === 0) return;
  throw new CommandError(
    failed < results.length ? EXIT.someFailed : EXIT.failed,
    `Cannot reach ${failed} of ${results.length} channels`,
  );
}
