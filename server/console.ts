/**
 * The operator's console: what clients say appears, and what the operator types goes to them.
 *
 * @module
 */

import { resolve } from "node:path";
import { type LineEditor, openLineEditor } from "../platform/line_editor.ts";
import type { Terminal } from "../platform/terminal.ts";
import type { Notice } from "./alert/notice.ts";
import { UsageError } from "../platform/usage_error.ts";
import { ALERT_COMMANDS, ALERT_HELP, runAlertLine } from "./console_alerts.ts";
import { OperationError } from "./operation_error.ts";
import type { Operations } from "./operations.ts";
import type { IncomingMessage, MessageReceipt, PushNotice } from "./parts.ts";

const HELP = [
  "@NAME text      write to a client (@all, or @TAG for everyone with that tag)",
  "text            answer whoever wrote last",
  "/send WHO FILE  send a file to a client, a @TAG or all; a client that is away gets it later",
  "/clients        who is up, late or down",
  ...ALERT_HELP,
  "/invite [NAME]  print a join key",
  "/help           this list",
  "/quit           stop the server",
];

/** Typed messages whose way is followed at a time. */
const MAX_TYPED = 200;

/** What the console needs. */
export interface ConsoleOptions {
  terminal: Terminal;
  operations: Operations;
  /** Called when the operator ends the server, with the reason. */
  onQuit: (reason: string) => void;
  /**
   * Opens the editor, for tests.
   * @default {openLineEditor}
   */
  open?: typeof openLineEditor;
}

/** An open console. */
export interface OperatorConsole extends Disposable {
  /** Shows a message of a client, which the next bare line answers, and has the client told when a person reads along. */
  onMessage(message: IncomingMessage): void;
  /** Shows how far a message has come that was typed here for one client. */
  onReceipt(receipt: MessageReceipt): void;
  /** Rings for an alert or a trouble of the server itself; the log shows its words. */
  onNotice(notice: Notice): void;
  /** Shows what became of a file for a client. */
  onPush(notice: PushNotice): void;
}

/** Opens the console on a terminal. */
export function openConsole(options: ConsoleOptions): OperatorConsole {
  return new Console(options);
}

class Console implements OperatorConsole {
  #options: ConsoleOptions;
  #editor: LineEditor;
  #lastSender: string | undefined;
  /** Ids of messages for one client that were typed here, the newest last. */
  #typed = new Set<string>();

  constructor(options: ConsoleOptions) {
    this.#options = options;
    const { open = openLineEditor, onQuit, terminal } = options;
    this.#editor = open(terminal, {
      prompt: "hb> ",
      onLine: (line) => void this.#onLine(line),
      onClose: (reason) => {
        // The end of a pipe, or of /dev/null under a service, is no wish of a person.
        if (terminal.isInteractive) onQuit(reason === "interrupt" ? "Ctrl-C" : "end of input");
      },
    });
    if (terminal.isInteractive) terminal.talk('Type "/help" for what you can do here.');
  }

  onMessage({ id, client, from, text }: IncomingMessage): void {
    const { operations, terminal } = this.#options;
    this.#lastSender = from;
    terminal.talk([{ text: `${from}: `, style: "cyan" }, text]);
    if (!terminal.isInteractive) return;
    // Only what has left for the screen was shown.
    terminal.flush().then(() => operations.messagesShown(client, [id])).catch((error) =>
      terminal.error("hbserver", `Cannot note that a message was shown: ${error.message}`)
    );
  }

  onReceipt({ id, to, text, state }: MessageReceipt): void {
    if (!this.#typed.has(id) || state === "sent") return;
    if (state !== "stored") this.#typed.delete(id);
    const what = state === "expired" ? "expired, not delivered to" : `${state} at`;
    this.#options.terminal.talk([{ text: `${what} ${to}: ${text}`, style: "dim" }]);
  }

  onNotice({ kind }: Notice): void {
    if (kind === "alert" || kind === "trouble") this.#options.terminal.bell();
  }

  onPush(notice: PushNotice): void {
    const { terminal } = this.#options;
    if (notice.state === "stored") {
      terminal.talk(`${notice.to} has stored ${notice.name} as ${notice.landed}`);
    } else terminal.talk(`${notice.to} has refused ${notice.name}: ${notice.reason}`);
  }

  [Symbol.dispose](): void {
    this.#editor.close();
  }

  async #onLine(line: string): Promise<void> {
    const text = line.trim();
    const { terminal } = this.#options;
    try {
      if (text === "") return;
      if (text.startsWith("/")) await this.#onCommand(text);
      else if (text.startsWith("@")) await this.#write(text);
      else if (this.#lastSender !== undefined) await this.#send(this.#lastSender, text);
      else terminal.talk("Nobody has written yet. Begin with @NAME to say who it is for.");
    } catch (error) {
      const { message, hint } = error instanceof OperationError || error instanceof UsageError
        ? error
        : { message: String(error), hint: undefined };
      terminal.error("hbserver", message, hint);
    }
  }

  async #onCommand(text: string): Promise<void> {
    const { operations, onQuit, terminal } = this.#options;
    const [command, argument] = text.split(/\s+/);
    if (command === "/quit") return onQuit("/quit");
    if (command !== undefined && ALERT_COMMANDS.includes(command)) {
      return await runAlertLine(text, { operations, terminal });
    }
    if (command === "/clients") {
      for (const client of operations.clients()) {
        const cause = client.cause === null ? "" : ` (${client.cause})`;
        const state = [client.state, ...client.overlay].join(" ");
        terminal.talk(`${client.name}  ${state}${cause}  last seen ${client.last_seen ?? "never"}`);
      }
      if (operations.clients().length === 0) terminal.talk("No clients yet. Try /invite.");
    } else if (command === "/alerts") {
      const alerts = await operations.alerts(true);
      for (const { id, clients, cause, opened_at, acked_by } of alerts) {
        const acked = acked_by === null ? "" : `  acknowledged by ${acked_by}`;
        terminal.talk(`#${id}  ${clients.join(", ")}  ${cause}  since ${opened_at}${acked}`);
      }
      if (alerts.length === 0) terminal.talk("No open alerts.");
    } else if (command === "/send") {
      await this.#push(text);
    } else if (command === "/invite") {
      const invite = { name: argument, tags: [], uses: 1, ttlMs: 24 * 3_600_000, addresses: [] };
      const { key, expires_at } = await operations.invite(invite);
      terminal.talk(`On the client PC, until ${expires_at}:`);
      terminal.talk(`hbclient join ${key}`);
    } else {
      for (const help of HELP) terminal.talk(help);
    }
  }

  async #write(text: string): Promise<void> {
    const [, who = "", rest = ""] = text.match(/^@(\S+)\s*([\s\S]*)$/) ?? [];
    if (rest === "") return this.#options.terminal.talk("Type @NAME and then the text.");
    await this.#send(this.#resolve(who), rest);
  }

  /** Queues a file, whose path counts from the server's working directory. */
  async #push(text: string): Promise<void> {
    const { operations, terminal } = this.#options;
    const [, at, who = "", file = ""] = text.match(/^\/send\s+(@?)(\S+)\s+([\s\S]+)$/) ?? [];
    if (file === "") return terminal.talk("Type /send NAME FILE.");
    const target = at === "@" ? this.#resolve(who) : who;
    const { refused } = await operations.push(target, { paths: [resolve(file)] });
    for (const { client, reason } of refused) terminal.talk(`Not for ${client}: ${reason}`);
    terminal.talk([{ text: `-> ${target}: `, style: "dim" }, `${file} is on its way`]);
  }

  /** What `@who` means: a client's name, all, or a tag. */
  #resolve(who: string): string {
    const isName = this.#options.operations.clients()
      .some(({ name }) => name.toLowerCase() === who.toLowerCase());
    return who === "all" || isName ? who : `@${who}`;
  }

  async #send(who: string, text: string): Promise<void> {
    const { operations, terminal } = this.#options;
    const { ids, away } = await operations.message(who, text);
    terminal.talk([{ text: `-> ${who}: `, style: "dim" }, text]);
    if (away.length > 0) {
      const whom = ids.length === 1 ? "it is" : `${away.length} of ${ids.length} are`;
      terminal.talk([{ text: `queued: ${whom} away and will get it later`, style: "dim" }]);
    }
    const [id] = ids;
    if (ids.length > 1 || id === undefined) return;
    this.#typed.add(id);
    const [oldest] = this.#typed;
    if (this.#typed.size > MAX_TYPED && oldest !== undefined) this.#typed.delete(oldest);
  }
}
