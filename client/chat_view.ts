/**
 * How what happens to the agent is shown: to a person at a terminal, in a service's log, or as JSON lines.
 *
 * @module
 */

import { formatAddress } from "../platform/address.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/log.ts";
import { formatDuration, formatSize } from "../platform/quantity.ts";
import type { Terminal } from "../platform/terminal.ts";
import type { AgentState, MessageAnswer } from "./agent.ts";
import type { PushOffer } from "./download.ts";
import type { RefusedFile } from "./push_queue.ts";
import type { ReceivedFile } from "./store.ts";
import type { StoredMessage } from "./stored_message.ts";
import type { StoredFile } from "./upload.ts";

/** Shows one thing at a time. */
export interface ChatView {
  /** Whether a person reads along, so that a message counts as shown. */
  readonly isRead: boolean;
  /** The agent does something else now. */
  state(state: AgentState): void;
  /** A message of the server. */
  message(message: StoredMessage): void;
  /** Resolves when everything so far has left for the screen. */
  printed(): Promise<void>;
  /** A message of this client is in the outbox, on disk. */
  queued(message: Pick<StoredMessage, "id" | "text">): void;
  /** What became of a message; `text` is known where a person reads. */
  receipt(answer: MessageAnswer, text: string | undefined): void;
  /** A file was stored. */
  stored(file: StoredFile): void;
  /** The bytes of a file of the server begin to come, from `offset` on. */
  coming(offer: PushOffer, offset: number): void;
  /** A file of the server is on this machine's disk. */
  received(file: ReceivedFile): void;
  /** A file of the server was not taken, or not yet. */
  notReceived(file: RefusedFile): void;
  /** An answer to what the person typed. */
  notice(text: string): void;
  /** Something that a person should know. */
  warning(text: string, hint?: string): void;
}

/** Longest piece of an own message that is repeated, in characters. */
const MAX_ECHO_CHARS = 40;
/** Smallest file of the server of which a person is told when it begins to come, in bytes. */
export const LARGE_FILE_BYTES = 16 * 1024 * 1024;

/** For a person at a terminal. */
export function terminalView(terminal: Terminal): ChatView {
  const notice = (text: string) => terminal.talk([{ text, style: "dim" }]);
  let lastReason = "";
  return {
    isRead: true,
    state(state) {
      if (state.kind === "connected") {
        lastReason = "";
        notice(`connected to ${formatAddress(state.address)} as ${state.name}`);
      } else if (state.kind === "waiting" && state.reason !== lastReason) {
        lastReason = state.reason;
        terminal.talk([
          { text: "not connected: ", style: "yellow" },
          `${state.reason}; trying again in ${formatDuration(state.waitMs)}`,
        ]);
        if (state.hint !== undefined) notice(`hint: ${state.hint}`);
      }
    },
    message: ({ text }) => terminal.data([{ text: "server: ", style: "cyan" }, text]),
    printed: () => terminal.flush(),
    queued() {}, // Whoever typed it has it on the screen.
    receipt(answer, text) {
      const echo = text === undefined ? "a message" : echoOf(text);
      if (answer.state === "refused") {
        terminal.talk([{ text: "refused: ", style: "red" }, `${echo}: ${answer.reason}`]);
      } else if (answer.state === "queued") {
        terminal.talk([{ text: "still queued: ", style: "yellow" }, `${echo}: ${answer.reason}`]);
      } else if (answer.state === "expired") {
        terminal.talk([{ text: "expired, not sent: ", style: "red" }, echo]);
      } else notice(`${answer.state}: ${echo}`);
    },
    stored: ({ path, as, bytes }) => notice(`stored ${path} as "${as}" (${formatSize(bytes)})`),
    coming({ name, size }, offset) {
      if (size >= LARGE_FILE_BYTES) notice(`server sends ${name} (${sizeFrom(offset, size)})`);
    },
    received: ({ as, path, bytes }) =>
      terminal.talk([
        { text: "server sent ", style: "cyan" },
        `${as} (${formatSize(bytes)}) -> ${path}`,
      ]),
    notReceived({ name, reason, retry }) {
      const text = retry ? "not received yet: " : "not received: ";
      terminal.talk([{ text, style: "yellow" }, `${name}: ${reason}`]);
    },
    notice,
    warning(text, hint) {
      terminal.talk([{ text: "warning: ", style: "yellow" }, text]);
      if (hint !== undefined) notice(`hint: ${hint}`);
    },
  };
}

/** For a service: messages on stdout, everything else in the log. */
export function logView(terminal: Terminal, log: Logger): ChatView {
  let lastReason = "";
  return {
    isRead: false,
    state(state) {
      if (state.kind === "connected") {
        lastReason = "";
        const { name } = state;
        log.info("Connected to {address} as {name}", {
          address: formatAddress(state.address),
          name,
        });
      } else if (state.kind === "waiting") {
        const { reason, hint } = state;
        const wait = formatDuration(state.waitMs);
        const isNew = reason !== lastReason;
        lastReason = reason;
        const words = "Not connected: {reason}; trying again in {wait}";
        if (isNew) log.warn(words, { reason, wait, hint });
        else log.debug(words, { reason, wait });
      }
    },
    message: ({ text }) => terminal.data(`server: ${text}`),
    printed: () => terminal.flush(),
    queued() {}, // The receipt is what a log is read for.
    receipt(answer) {
      const { id } = answer;
      if (answer.state === "refused") {
        log.warn("The server refused message {id}: {reason}", { id, reason: answer.reason });
      } else if (answer.state === "queued") {
        log.warn("Message {id} and those behind it stay queued: {reason}", {
          id,
          reason: answer.reason,
        });
      } else if (answer.state === "expired") {
        log.warn("Message {id} has expired and is not sent", { id });
      } else log.debug("Message {id} is {state}", { id, state: answer.state });
    },
    stored: ({ path, as, bytes }) =>
      log.info("Stored {path} as {as} ({bytes} bytes)", { path, as, bytes }),
    coming: ({ name, size }, offset) =>
      log.debug("The server sends {name}, {size} bytes, from {offset} on", { name, size, offset }),
    received: ({ as, path, bytes }) =>
      log.info("Received {as} ({bytes} bytes) as {path}", { as, path, bytes }),
    notReceived({ name, reason, code, retry }) {
      const words = retry ? "Not yet received: {name}: {reason}" : "Not received: {name}: {reason}";
      log.warn(words, { name, reason, code });
    },
    notice: (text) => log.info("{text}", { text }),
    warning: (text, hint) => log.warn("{text}", { text, hint }),
  };
}

/** For programs: one JSON object per line. */
export function jsonView(terminal: Terminal, clock: Pick<Clock, "wall">): ChatView {
  const print = (kind: string, fields: Record<string, unknown>) =>
    terminal.json({ at: new Date(clock.wall()).toISOString(), kind, ...fields });
  let name: string | null = null;
  return {
    isRead: false,
    state(state) {
      if (state.kind === "connected") {
        name = state.name;
        const address = formatAddress(state.address);
        print("state", {
          state: "connected",
          name,
          address,
          "rtt_ms": Math.round(state.rttMs * 10) / 10,
        });
      } else if (state.kind === "waiting") {
        print("state", {
          state: "waiting",
          reason: state.reason,
          "wait_ms": Math.round(state.waitMs),
        });
      } else print("state", { state: state.kind });
    },
    message: ({ id, text }) =>
      print("message", { id, from: "server", to: name, text, state: "stored" }),
    printed: () => terminal.flush(),
    queued: ({ id, text }) =>
      print("message", { id, from: name, to: "server", text, state: "queued" }),
    receipt: (answer) => print("receipt", { ...answer }),
    stored: (file) => print("file", { ...file, state: "stored" }),
    coming: ({ id, name, size, sha256 }, offset) =>
      print("file", {
        id,
        direction: "in",
        name,
        bytes: size,
        sha256,
        state: "receiving",
        offset,
      }),
    received: ({ id, as: name, path, bytes, sha256 }) =>
      print("file", { id, direction: "in", name, path, bytes, sha256, state: "stored" }),
    notReceived: ({ retry, ...file }) =>
      print("file", { ...file, direction: "in", state: retry ? "waiting" : "refused" }),
    notice: (text) => print("notice", { text }),
    warning: (text) => print("warning", { text }),
  };
}

function sizeFrom(offset: number, size: number): string {
  return offset === 0 ? formatSize(size) : `${formatSize(size)}, going on at ${formatSize(offset)}`;
}

function echoOf(text: string): string {
  return text.length > MAX_ECHO_CHARS ? `${text.slice(0, MAX_ECHO_CHARS)}…` : text;
}
