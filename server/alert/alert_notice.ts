/**
 * What a person reads of an alert: which machines, why, and the evidence. Pure.
 *
 * @module
 */

import { alertText, duration, type Evidence, factsText, recoveryText } from "../alert_text.ts";
import type { AlertSubject } from "./failure_group.ts";
import type { Notice } from "./notice.ts";
import {
  type AlertMember,
  type AlertStep,
  isOngoing,
  ongoing,
  type OpenAlert,
  type UpdateReason,
} from "./open_alert.ts";

/** Names that one notice lists at most. */
export const MAX_NAMES = 40;

/** What a notice is made with. */
export interface NoticeContext {
  /** The client with this id; undefined when it is not on the lists any more. */
  subject: (client: string) => AlertSubject | undefined;
  newId: () => string;
  /** Milliseconds since 1970. */
  wall: number;
}

/** The notice of one step; undefined when nobody is told of it. */
export function noticeOf(step: AlertStep, context: NoticeContext): Notice | undefined {
  const { alert, tell } = step;
  if (tell === undefined) return undefined;
  const members = membersOf(step);
  const subjects = members.flatMap(({ client }) => context.subject(client) ?? []);
  const words = tell.kind === "recovery"
    ? recoveryWords(step, { members, context })
    : tell.kind === "update" && tell.reason !== undefined
    ? updateWords(step, { reason: tell.reason, context })
    : openingWords(alert, context);
  return {
    id: context.newId(),
    kind: tell.kind,
    severity: alert.severity,
    at: context.wall,
    alert: alert.id,
    cause: alert.cause,
    clients: subjects.map(({ name }) => name),
    tags: [...new Set(subjects.flatMap(({ tags }) => tags))],
    ...words,
  };
}

/** The machines that a notice is about: all of the alert, and those that have just left it. */
function membersOf({ alert, members }: AlertStep): AlertMember[] {
  return [...new Set([...alert.members.values(), ...members])];
}

interface Words {
  title: string;
  text: string;
}

function openingWords(alert: OpenAlert, context: NoticeContext): Words {
  if (alert.words !== undefined) {
    return { title: alert.words.title, text: `ALERT ${alert.words.text}` };
  }
  const members = ongoing(alert);
  const [first] = members;
  if (first === undefined) return { title: `Alert ${alert.id}`, text: `ALERT ${alert.cause}` };
  const name = nameOf(first, context);
  if (alert.kind === "flapping") return flappingWords(name, first);
  if (members.length === 1) {
    const title = `${name} is DOWN`;
    const { evidence = unknownEvidence(first), cause } = first;
    const address = context.subject(first.client)?.address ?? "";
    return { title, text: alertText(name, { cause, address, evidence }) };
  }
  return groupWords(alert, context);
}

function groupWords(alert: OpenAlert, context: NoticeContext): Words {
  const members = ongoing(alert);
  const down = members.filter(({ status }) => status === "down");
  const names = nameList(members, context);
  const scope = alert.scope ?? `${members.length} machines`;
  const state = down.length === members.length
    ? "all DOWN"
    : `${down.length} DOWN, ${members.length - down.length} silent since about the same moment`;
  const facts = [`${state}: ${names}`];
  const [first] = down;
  if (first?.evidence !== undefined) {
    const about = factsText(first.evidence, "").join(", ");
    facts.push(`first ${nameOf(first, context)} (${first.cause}): ${about}`);
  }
  if (alert.cause === "server suspect") {
    facts.push("look first at this server's own network, its switch and its firewall");
    return {
      title: `Server or network suspect: ${scope} fell silent together`,
      text: `ALERT server or network suspect: ${scope} fell silent together; ${facts.join("; ")}`,
    };
  }
  if (alert.isFlapping) {
    return {
      title: `${members.length} machines keep failing together: ${scope}`,
      text:
        `ALERT ${members.length} machines keep going down and coming back together (${scope}), and are not ` +
        `told of again before they have been steady for a while; ${facts.join("; ")}`,
    };
  }
  const what = down.length === members.length ? "failed" : "fell silent";
  return {
    title: `${members.length} machines ${what} together: ${scope}`,
    text: `ALERT ${members.length} machines ${what} together (${scope}); ${facts.join("; ")}`,
  };
}

function flappingWords(name: string, { evidence }: AlertMember): Words {
  const facts = evidence === undefined ? "" : `; ${factsText(evidence, "").join(", ")}`;
  return {
    title: `${name} is FLAPPING`,
    text:
      `ALERT ${name} is FLAPPING: it keeps going down and coming back, and is not told of again ` +
      `before it has been steady for a while${facts}`,
  };
}

function updateWords(
  step: AlertStep,
  { reason, context }: { reason: UpdateReason; context: NoticeContext },
): Words {
  const { alert } = step;
  const members = ongoing(alert);
  const names = nameList(members, context);
  switch (reason) {
    case "flapping":
      return openingWords(alert, context);
    case "down for good": {
      const { text } = openingWords(alert, context);
      return { title: `${names} is DOWN, no longer flapping`, text };
    }
    case "grew": {
      if (alert.words !== undefined) return openingWords(alert, context);
      const { title, text } = groupWords(alert, context);
      return { title, text: text.replace(/^ALERT/, "UPDATE") };
    }
    case "partly back": {
      const back = step.members;
      const all = back.length + members.length;
      return {
        title: `${back.length} of ${all} machines are back`,
        text: `UPDATE ${back.length} of ${all} machines are UP again; still missing: ${names}`,
      };
    }
    case "not the server":
      return {
        title: `${names}: DOWN, and not the server`,
        text: `UPDATE most machines are heard again, so it is not the server; still missing: ` +
          `${names} (${alert.cause})`,
      };
    case "acknowledgement over":
    case "snooze over": {
      const lasted = duration(Math.max(0, context.wall - alert.openedAt));
      const what = reason === "snooze over" ? "snooze" : "acknowledgement";
      return {
        title: `Still open after its ${what}: ${names}`,
        text: `UPDATE still open after its ${what} ran out: ${names} (${alert.cause}), ` +
          `for ${lasted} now`,
      };
    }
  }
}

function recoveryWords(
  { alert }: AlertStep,
  { members, context }: { members: AlertMember[]; context: NoticeContext },
): Words {
  const names = nameList(members, context);
  const lasted = duration(Math.max(0, context.wall - alert.openedAt));
  const [first] = members;
  if (alert.kind === "identity") {
    return {
      title: `${names}: over`,
      text: `OVER ${alert.words?.title ?? names}, after ${lasted}`,
    };
  }
  if (members.every(({ status }) => status === "left")) {
    const why = [...new Set(members.map(({ cause }) => cause))].join(", ");
    return { title: `${names}: over`, text: `OVER ${names}: ${why}, after ${lasted} of alert` };
  }
  if (alert.isFlapping) {
    return {
      title: `${members.length} machines are steady again`,
      text: `RECOVERED ${members.length} machines are steady again, after ${lasted}: ${names}`,
    };
  }
  if (alert.kind === "flapping") {
    return {
      title: `${names} is steady again`,
      text: `RECOVERED ${names} is steady again, after ${lasted} of flapping`,
    };
  }
  if (members.length === 1 && first !== undefined) {
    const { cause } = alert;
    const downtimeMs = first.downtimeMs ?? context.wall - first.lastSeenAt;
    return { title: `${names} is UP again`, text: recoveryText(names, { cause, downtimeMs }) };
  }
  const since = Math.min(...members.map(({ lastSeenAt }) => lastSeenAt));
  const downtime = duration(Math.max(0, context.wall - since));
  return {
    title: `${members.length} machines are UP again`,
    text: `RECOVERED ${members.length} machines are UP again after ${downtime} ` +
      `(${alert.cause}): ${names}`,
  };
}

function nameOf({ client }: AlertMember, { subject }: NoticeContext): string {
  return subject(client)?.name ?? "a client that is not on the lists any more";
}

function nameList(members: readonly AlertMember[], context: NoticeContext): string {
  const names = members.slice(0, MAX_NAMES).map((member) => nameOf(member, context));
  const more = members.length - names.length;
  return more > 0 ? `${names.join(", ")} and ${more} more` : names.join(", ");
}

function unknownEvidence({ lastSeenAt }: AlertMember): Evidence {
  return {
    last_seen: new Date(lastSeenAt).toISOString(),
    detection_ms: null,
    gap_ms: null,
    jitter_ms: null,
    rtt_ms: null,
    connected: false,
  };
}

/** What an alert is based on, for `hbserver alerts`: that of its first machine, and of the group what it has in common. */
export function alertEvidence(alert: OpenAlert): Record<string, unknown> {
  const members = [...alert.members.values()];
  const first = members.find(({ evidence }) => evidence !== undefined);
  const silent = members.filter(({ status }) => status === "silent").length;
  return {
    ...first?.evidence,
    ...(alert.scope === undefined ? {} : { scope: alert.scope, silent }),
    ...(alert.words === undefined ? {} : { text: alert.words.text }),
    ongoing: members.filter(isOngoing).length,
  };
}
