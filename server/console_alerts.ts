/**
 * What the operator types about alerts on the console: the same words as those of the commands.
 *
 * @module
 */

import { parseCommandLine } from "../platform/option_table.ts";
import type { Terminal } from "../platform/terminal.ts";
import { describeOverlay } from "./alert/overlay_text.ts";
import type { Operations } from "./operations.ts";
import { HBSERVER } from "./options.ts";

/** Whoever types on the console. */
const BY = "console";

/** The lines of `/help` about alerts. */
export const ALERT_HELP = [
  "/alerts         alerts that are open",
  '/ack WHO NOTE   say that you take care of it; "--for 2h" for a time',
  '/snooze WHO     hear nothing of it for 1h; "--for 3h" for longer',
  '/maintenance WHO  no alert "--for 2h", "--until-back" or "--every \'Sun 02:00-04:00\'"',
  "/test-alert     send a test to every channel",
  "/plan           what is set; /plan WHO --for 30m expects it to be away; /plan --remove ID",
];

/** The commands that are understood here. */
export const ALERT_COMMANDS: readonly string[] = [
  "/ack",
  "/snooze",
  "/maintenance",
  "/plan",
  "/test-alert",
];

/** Does what a line says that begins with one of {@linkcode ALERT_COMMANDS}; throws what is wrong with it. */
export async function runAlertLine(
  line: string,
  { operations: { alerting }, terminal }: { operations: Operations; terminal: Terminal },
): Promise<void> {
  const invocation = parseCommandLine(HBSERVER, splitWords(line.slice(1)), {
    env: () => undefined,
    readTextFile: () => "",
  });
  const say = (views: Parameters<typeof describeOverlay>[0][]) => {
    for (const view of views) terminal.talk(`${describeOverlay(view)}  (#${view.id})`);
  };
  switch (invocation.command) {
    case "ack": {
      const { arguments: { who, note }, options: { by = BY, for: forMs } } = invocation;
      const answer = await alerting.acknowledge(who, { by, note: words(note), forMs });
      const ids = answer.ids.map((id) => `#${id}`).join(", ");
      return terminal.talk(`Acknowledged ${ids}: ${answer.clients.join(", ")}`);
    }
    case "snooze": {
      const { arguments: { who, note }, options: { by = BY, for: forMs } } = invocation;
      return say(await alerting.snooze(who, { by, note: words(note), forMs }));
    }
    case "maintenance": {
      const { arguments: { who, note }, options } = invocation;
      const { by = BY, for: forMs, untilBack, every, zone } = options;
      const span = { forMs, untilBack, every, zone };
      return say(await alerting.maintenance(who, { by, note: words(note), ...span }));
    }
    case "plan": {
      const { arguments: { who, note }, options: { by = BY, for: forMs, remove } } = invocation;
      if (remove !== undefined) return say([await alerting.remove(remove, { by })]);
      if (who !== undefined) {
        return say(await alerting.plan(who, { by, note: words(note), forMs }));
      }
      const plans = alerting.plans();
      return plans.length === 0 ? terminal.talk("Nothing is set.") : say(plans);
    }
    case "test-alert": {
      for (const { channel, state, error, ms } of await alerting.test({ by: BY })) {
        terminal.talk(`${channel}: ${state} after ${ms} ms${error === null ? "" : `: ${error}`}`);
      }
      return;
    }
    default:
      terminal.talk("Type /help for what you can do here.");
  }
}

function words(note: readonly string[]): string | undefined {
  return note.length === 0 ? undefined : note.join(" ");
}

/** Splits a line into words; quotes hold words together. */
export function splitWords(line: string): string[] {
  const found = line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g);
  return [...found].map(([, double, single, bare]) => double ?? single ?? bare ?? "");
}
