/**
 * Everything that can be said to `hbclient`: commands, options, exit codes, examples.
 *
 * @module
 */

import type { Invocation } from "../platform/option_spec.ts";
import { defineProgram } from "../platform/option_table.ts";
import { DEFAULT_PORT } from "../protocol/mod.ts";
import { EXIT_CODE_MEANINGS } from "./exit_code.ts";

const CONNECTING = ["run", "message", "send", "status"] as const;

/** The table of `hbclient`. */
export const HBCLIENT = defineProgram({
  name: "hbclient",
  summary: "Keep this machine in touch with its hbserver: heartbeats, messages, files.",
  description: [
    'Join once with a key that "hbserver invite" printed on the server, then run the agent. On a terminal ' +
    "the agent is also the chat with the operator. The other commands work beside a running agent.",
  ],
  defaultCommand: "run",
  commands: {
    run: {
      summary: "Stay connected; on a terminal also the chat.",
      description:
        'On a terminal, type a line to send it to the operator, "/help" for more, "bye" to end. Lines ' +
        "from a pipe are sent as well; the end of the pipe does not end the agent. Files that the server " +
        "sends are fetched, checked and put into a folder of their own.",
    },
    join: {
      summary: "Enrol this machine with a join key.",
      description:
        "Makes this machine's key pair, pins the server and remembers its addresses. Joining again " +
        "replaces what was there once the new server has accepted.",
      arguments: [{ name: "KEY", required: true }],
    },
    message: {
      summary: "Send one message; done once the server has stored it.",
      arguments: [{ name: "TEXT", required: true, repeatable: true }],
    },
    send: {
      summary: "Send files and folders; prints where each was stored.",
      description:
        "Goes on by itself when the connection is lost. Ctrl-C pauses, and the same command run again sends " +
        "only the rest; Ctrl-C twice gives up what is being sent. Links and devices are skipped and named. " +
        "A file that another hbclient begins to send as well is left to that one (exit code 1).",
      arguments: [{ name: "PATH", required: true, repeatable: true }],
    },
    inbox: {
      summary: "The operator's messages that this machine has.",
      description:
        "New ones are marked; with --read only those are printed, and the operator is told that they were shown.",
    },
    log: {
      summary: "What happened on this machine: messages, files of the server, and its journal.",
      description:
        "The journal says when the server was lost and found again, and that the machine slept, was stopped or booted.",
    },
    status: { summary: "Whether the server can be reached, and what waits for it." },
  },
  options: {
    server: {
      kind: "address",
      commands: CONNECTING,
      defaultPort: DEFAULT_PORT,
      placeholder: "HOST[:PORT]",
      help:
        "Connect there instead of to the addresses in the join key; with --plaintext to an open " +
        "server, without having joined.",
    },
    plaintext: {
      kind: "flag",
      commands: CONNECTING,
      help:
        "With --server: no TLS and no check of the server. Everybody on the way can read along.",
    },
    name: {
      kind: "text",
      commands: [...CONNECTING, "join"],
      help: "The name of this machine (its host name unless set).",
    },
    files: {
      kind: "text",
      commands: ["run"],
      placeholder: "DIR",
      help: "Folder of the files that the server sends (files in the data directory unless set).",
    },
    noPush: {
      kind: "flag",
      commands: ["run"],
      help: "Take no files from the server.",
    },
    maxFileSize: {
      kind: "size",
      commands: ["run"],
      min: 0,
      help: "Largest file to take from the server; larger ones are refused before a byte.",
    },
    minFree: {
      kind: "size",
      commands: ["run"],
      min: 0,
      help:
        "Space that files of the server must leave free on the disk (1 % of it unless set, at most 1 GiB).",
    },
    queue: {
      kind: "flag",
      commands: ["message"],
      help: "When the server is away, keep the message for the agent to send later.",
    },
    expires: {
      kind: "duration",
      commands: ["message"],
      commandLineOnly: true,
      min: 1,
      max: 366 * 24 * 3_600_000,
      help:
        "With --queue: do not send it any more after so long, such as 2h (never expires unless set).",
    },
    read: {
      kind: "flag",
      commands: ["inbox"],
      commandLineOnly: true,
      help: "Print only new messages, which then are new no more.",
    },
    kind: {
      kind: "choice",
      commands: ["log"],
      commandLineOnly: true,
      choices: ["message", "file", "journal"],
      repeatable: true,
      help: "Only these kinds of lines.",
    },
    since: {
      kind: "duration",
      commands: ["log"],
      commandLineOnly: true,
      help: "Only the last so long, such as 2h.",
    },
  },
  exitCodes: EXIT_CODE_MEANINGS,
  examples: [
    ["hbclient join hb1.eyJ… --name till-3", "enrol this machine"],
    ["hbclient", "stay connected, and chat"],
    ['hbclient message "printer is on fire"', "write to the operator"],
    ["hbclient send report.pdf photo.jpg", "send files"],
    ["hbclient inbox --read", "what the operator wrote, while the agent runs as a service"],
    ["hbclient status --json", "for scripts"],
    [
      "hbclient --server 192.168.1.10 --plaintext --name lab-7",
      "use an open server, without joining",
    ],
  ],
});

/** A checked call of `hbclient`. */
export type ClientInvocation = Invocation<typeof HBCLIENT["spec"]>;

/** A checked call of one of its commands. */
export type InvocationOf<C extends ClientInvocation["command"]> = Extract<
  ClientInvocation,
  { command: C }
>;
