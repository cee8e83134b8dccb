/**
 * Everything that can be said to `hbserver`: commands, options, exit codes, examples.
 *
 * @module
 */

import type { Invocation } from "../platform/option_spec.ts";
import { defineProgram } from "../platform/option_table.ts";
import { DEFAULT_PORT } from "../protocol/mod.ts";
import { EVENT_KINDS } from "./store_record.ts";

/** The table of `hbserver`. */
export const HBSERVER = defineProgram({
  name: "hbserver",
  summary: "Watch machines, talk to them and receive their files, over one TCP port.",
  description: [
    "hbserver runs on the server PC. Every client PC runs hbclient, which joins with a key that " +
    '"hbserver invite" prints. The other commands talk to the running server.',
  ],
  defaultCommand: "run",
  commands: {
    run: {
      summary: "Serve; on a terminal also the operator's console.",
      description:
        'On a terminal, type "@till-3 text" to write to a client, or "text" to answer the last sender; ' +
        '"/help" lists the console\'s commands.',
    },
    invite: {
      summary: "Print a join key for a new client.",
      description: "One line to paste on the client: hbclient join KEY.",
    },
    clients: { summary: "Who is up, late or down, since when and why." },
    message: {
      summary: "Send a message to a client, to a tag or to all.",
      description: "WHO is a client's name, @tag or all. A client that is away gets it later.",
      arguments: [
        { name: "WHO", required: true },
        { name: "TEXT", required: true, repeatable: true },
      ],
    },
    push: {
      summary: "Send files to a client, to a tag or to all.",
      description:
        "WHO is a client's name, @tag or all. The files are copied at once, so that they may change or go " +
        "afterwards; a client that is away gets them later.",
      arguments: [
        { name: "WHO", required: true },
        { name: "FILE", required: true, repeatable: true },
      ],
    },
    log: {
      summary: "The timeline of one client or of all.",
      arguments: [{ name: "WHO" }],
    },
    files: { summary: "Files from and to clients.", arguments: [{ name: "WHO" }] },
    alerts: { summary: "Alerts, open and resolved." },
    ack: {
      summary: "Say that somebody takes care of an alert.",
      description:
        "WHO is a client's name, @tag, all, or an alert's number such as #12. Nobody is told of it again, unless --for " +
        "runs out first; its end is told as ever.",
      arguments: [{ name: "WHO", required: true }, { name: "NOTE", repeatable: true }],
    },
    snooze: {
      summary: "Hear nothing of a client, a tag or all for a time (1h unless --for says so).",
      description: "Alerts are recorded as ever; what is still open at the end is told then.",
      arguments: [{ name: "WHO", required: true }, { name: "NOTE", repeatable: true }],
    },
    maintenance: {
      summary: "Raise no alert for a client, a tag or all while they are worked on.",
      description: "For a time, until the machine is back after it was away, or in a window of " +
        "every week. What is still DOWN at its end is an alert then. Measurement goes on.",
      arguments: [{ name: "WHO", required: true }, { name: "NOTE", repeatable: true }],
    },
    plan: {
      summary: "Expect a client to be away for a time; without WHO list everything that is set.",
      description: 'Not back in time is an alert, "planned overdue". What "maintenance" and ' +
        '"snooze" have set is listed too, and --remove ends it.',
      arguments: [{ name: "WHO" }, { name: "NOTE", repeatable: true }],
    },
    "test-alert": {
      summary: "Send a test to every channel, and see whether it arrives.",
    },
    report: {
      summary: "Uptime, outages, causes and links of a month; WHO is a client, @tag or all.",
      description:
        "Uptime is the part of the watched time without outages. The time in which the server did " +
        "not run, planned absences and maintenance are not watched.",
      arguments: [{ name: "WHO" }],
    },
    revoke: {
      summary: "Shut a client out for good.",
      arguments: [{ name: "WHO", required: true }],
    },
    backup: {
      summary: "Copy the running server's database and key into one file.",
      description:
        "Keep FILE as safe as the data directory: it holds the server's key. To come back from it, put it as " +
        "hbserver.sqlite into an empty data directory and start hbserver there: clients find it without joining again. " +
        "Received files are not in it, nor files that wait for clients.",
      arguments: [{ name: "FILE", required: true }],
    },
  },
  options: {
    listen: {
      kind: "address",
      commands: ["run"],
      default: `0.0.0.0:${DEFAULT_PORT}`,
      defaultHostname: "0.0.0.0",
      defaultPort: DEFAULT_PORT,
      help: "Address and port for clients.",
    },
    http: {
      kind: "address",
      commands: ["run"],
      default: "127.0.0.1:5080",
      defaultHostname: "127.0.0.1",
      defaultPort: 5080,
      allowOff: true,
      help:
        "Address and port of the local API; off: a free port of the loopback, for hbserver's own commands only.",
    },
    plaintext: {
      kind: "flag",
      commands: ["run"],
      help: "No TLS: for closed networks and classic clients. Everybody on the way can read along.",
    },
    open: {
      kind: "flag",
      commands: ["run"],
      help:
        "Let clients in that have not joined, shown as unverified; with --plaintext classic ones too.",
    },
    interval: {
      kind: "duration",
      commands: ["run"],
      default: "20s",
      min: 100,
      max: 3_600_000,
      help: "Usual time between two heartbeats; every limit scales with it.",
    },
    down: {
      kind: "duration",
      commands: ["run"],
      min: 100,
      max: 24 * 3_600_000,
      help: "Silence after which a client is DOWN (2.5 intervals unless set).",
    },
    files: {
      kind: "text",
      commands: ["run"],
      placeholder: "DIR",
      help:
        "Folder of received files, one folder per client (files in the data directory unless set).",
    },
    maxFileSize: {
      kind: "size",
      commands: ["run"],
      min: 0,
      help: "Largest file to take; larger ones are refused before a byte.",
    },
    quota: {
      kind: "size",
      commands: ["run"],
      min: 0,
      help: "What the files of one client may take; more is refused before a byte.",
    },
    minFree: {
      kind: "size",
      commands: ["run"],
      min: 0,
      help:
        "What stays free on the disk, whatever is sent (1 % of the disk, at most 1 GiB, unless set).",
    },
    alert: {
      kind: "text",
      commands: ["run"],
      repeatable: true,
      placeholder: "URL",
      help:
        "Where alerts are told: https://…, ntfy://…, telegram://…, smtp://…, exec:/… and more, with options such as " +
        '"URL min=critical after=10m only=@tills quiet=22:00-07:00"; @FILE for a file with one on each line.',
    },
    alertPrivate: {
      kind: "choice",
      commands: ["run"],
      choices: ["on", "off"],
      default: "on",
      help: "Whether alerts may go to addresses of private networks; off bars them.",
    },
    notifyUrl: {
      kind: "text",
      commands: ["run"],
      placeholder: "URL",
      help:
        "Asked for by GET for as long as the server truly works, for a service that tells when it no longer does.",
    },
    notifyEvery: {
      kind: "duration",
      commands: ["run"],
      default: "60s",
      min: 1_000,
      max: 24 * 3_600_000,
      help: "Time from one such request to the next.",
    },
    name: {
      kind: "text",
      commands: ["invite"],
      commandLineOnly: true,
      help: "The only name that may join with this key.",
    },
    tag: {
      kind: "text",
      commands: ["invite"],
      commandLineOnly: true,
      repeatable: true,
      help: "A tag for the client.",
    },
    uses: {
      kind: "number",
      commands: ["invite"],
      commandLineOnly: true,
      default: "1",
      min: 1,
      max: 10_000,
      integer: true,
      help: "How many machines may join with this key.",
    },
    ttl: {
      kind: "duration",
      commands: ["invite"],
      commandLineOnly: true,
      default: "24h",
      min: 1,
      max: 366 * 24 * 3_600_000,
      help: "How long the key is valid.",
    },
    address: {
      kind: "address",
      commands: ["invite"],
      commandLineOnly: true,
      repeatable: true,
      defaultPort: DEFAULT_PORT,
      help:
        "Where clients reach this server; several are tried in turn (this machine's own addresses unless set).",
    },
    wait: {
      kind: "flag",
      commands: ["message", "push"],
      commandLineOnly: true,
      help: "Wait until every client has stored it, or refused it.",
    },
    expires: {
      kind: "duration",
      commands: ["message"],
      commandLineOnly: true,
      min: 1,
      max: 366 * 24 * 3_600_000,
      help: "Do not deliver it any more after so long, such as 2h (never expires unless set).",
    },
    kind: {
      kind: "choice",
      commands: ["log"],
      commandLineOnly: true,
      choices: [...EVENT_KINDS],
      repeatable: true,
      help: "Only these kinds of lines.",
    },
    since: {
      kind: "duration",
      commands: ["log"],
      commandLineOnly: true,
      help: "Only the last so long, such as 2h.",
    },
    follow: {
      kind: "flag",
      commands: ["log"],
      commandLineOnly: true,
      help: "Go on with what happens from now on.",
    },
    for: {
      kind: "duration",
      commands: ["ack", "snooze", "maintenance", "plan"],
      commandLineOnly: true,
      min: 1,
      max: 366 * 24 * 3_600_000,
      help: "For how long, such as 2h.",
    },
    untilBack: {
      kind: "flag",
      commands: ["maintenance"],
      commandLineOnly: true,
      help: "Until the machine is back after it was away.",
    },
    every: {
      kind: "text",
      commands: ["maintenance"],
      commandLineOnly: true,
      placeholder: "WINDOW",
      help: 'Every week in this window, such as "Sun 02:00-04:00" or "Mon-Fri 22:00-06:00".',
    },
    zone: {
      kind: "text",
      commands: ["maintenance", "report"],
      commandLineOnly: true,
      help:
        "The time zone of the window or the month, such as Europe/Berlin (this machine's unless set).",
    },
    month: {
      kind: "text",
      commands: ["report"],
      commandLineOnly: true,
      help: "Such as 2026-11 (the present one unless set).",
    },
    csv: {
      kind: "flag",
      commands: ["report"],
      commandLineOnly: true,
      help: "One line for each client, with commas between its figures.",
    },
    remove: {
      kind: "number",
      commands: ["plan"],
      commandLineOnly: true,
      placeholder: "ID",
      min: 1,
      max: 9_007_199_254_740_991,
      integer: true,
      help: "End what is set under this number.",
    },
    by: {
      kind: "text",
      commands: ["ack", "snooze", "maintenance", "plan", "test-alert"],
      placeholder: "NAME",
      help: "Who does it (the user of this command unless set).",
    },
    onlyOpen: {
      kind: "flag",
      name: "open",
      commands: ["alerts"],
      commandLineOnly: true,
      help: "Only alerts that are not resolved.",
    },
  },
  exitCodes: [
    [0, "done"],
    [1, "failed"],
    [2, "wrong usage"],
    [3, "no server is running on this data directory"],
    [4, "the server refused, or every client did"],
    [5, "some of several clients refused"],
    [7, "a file to push cannot be read, or changed meanwhile"],
    [8, "the server's disk has no room for a file to push, or for a backup"],
    [130, "interrupted"],
  ],
  examples: [
    ["hbserver", "serve on port 5001"],
    ["hbserver invite --name till-3", "print a join key for a client"],
    ['hbserver message till-3 "please restart the printer"', "write to a client"],
    ["hbserver push @tills setup.msi --wait", "send a file to every client with that tag"],
    ["hbserver log till-3 --kind state,alert --since 2d", "what happened to it"],
    ['hbserver ack till-3 "on my way"', "stop its alert from going further"],
    ['hbserver maintenance @tills --every "Sun 02:00-04:00"', "no alerts in that window"],
    ["hbserver report --month 2026-11 --csv", "uptime and outages of a month"],
    ["hbserver --plaintext --open", "serve classic clients on a closed network"],
  ],
});

/** A checked call of `hbserver`. */
export type ServerInvocation = Invocation<typeof HBSERVER.spec>;
/** A checked call of one of its commands. */
export type InvocationOf<C extends string> = Extract<ServerInvocation, { command: C }>;
