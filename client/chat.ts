/**
 * The conversation at the agent: typed lines become messages and commands, events become lines.
 *
 * @module
 */

import { formatAddress } from "../platform/address.ts";
import type { LineEditor, LineEditorOptions } from "../platform/line_editor.ts";
import { formatSize } from "../platform/quantity.ts";
import type { Agent, AgentEvents } from "./agent.ts";
import type { ChatView } from "./chat_view.ts";
import { ClientError } from "./client_error.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import type { ReceiveEvents, Receiver } from "./receive.ts";
import { batchesOf, type FolderBatch, walkBatch } from "./send_batch.ts";
import { backgroundSources } from "./source_access.ts";
import type { ClientStore } from "./store.ts";
import { summaryLine } from "./tally.ts";
import type { StoredFile, Uploader } from "./upload.ts";

/** What a {@linkcode Chat} works with. */
export interface ChatPorts {
  /** Opens the source of lines. */
  openEditor: (options: LineEditorOptions) => LineEditor;
  /** Whether a person types the lines; else they come from a pipe, whose end means nothing. */
  isInteractive: boolean;
  /** Where things are shown. */
  view: ChatView;
  /** Outbox and inbox. */
  store: ClientStore;
  /** What fetches files of the server; undefined where none are taken. */
  receiver?: () => Pick<Receiver, "current" | "waiting"> | undefined;
  /** Makes a sender of files. */
  createUploader: () => Uploader;
}

/** Messages of the server from before that are shown at the start. */
export const MAX_MISSED_MESSAGES = 200;
/** Received files that `/files` lists, the newest. */
export const MAX_LISTED_FILES = 20;
/** Time for the server to store what was typed before `bye`, in milliseconds. */
export const DRAIN_LIMIT_MS = 5_000;

/** Lines about files of one folder that were left out; the summary counts all. */
const MAX_LEFT_OUT_LINES = 20;

const HELP = [
  "Type a line to send it to the operator.",
  "/send PATH   send a file, or a folder",
  "/files       what was sent in this session, and what came from the server",
  "/status      the connection, and what waits",
  "/help        this",
  "bye          end",
  "A line that begins with / is sent when it begins with //.",
];

/** One conversation; lives as long as its agent. */
export class Chat {
  readonly #ports: ChatPorts;
  readonly #files: StoredFile[] = [];
  readonly #ended = Promise.withResolvers<ExitCode>();
  #agent: Agent | undefined;
  #uploads: Promise<void> = Promise.resolve();
  #uploader: Uploader | undefined;
  #isEnding = false;

  /** Shows nothing and reads nothing before `start()`. */
  constructor(ports: ChatPorts) {
    this.#ports = ports;
  }

  /** What the agent and what fetches files must tell. */
  get events(): AgentEvents & ReceiveEvents {
    const { store, view } = this.#ports;
    return {
      onState: (state) => view.state(state),
      onMessage: (message) => {
        view.message(message);
        if (view.isRead) void this.#noteShown([message.id]);
      },
      onReceipt: (answer) => {
        view.receipt(answer, view.isRead ? store.outbox.textOf(answer.id) : undefined);
      },
      onWarning: (warning) => view.warning(warning),
      onFileComing: (offer, offset) => view.coming(offer, offset),
      onFile: (file) => view.received(file),
      onFileRefused: (file) => view.notReceived(file),
    };
  }

  /** Resolves with the exit code when the person has ended the conversation. */
  get ended(): Promise<ExitCode> {
    return this.#ended.promise;
  }

  /** Shows what was missed and begins to read lines; the caller closes the result. */
  start(agent: Agent): LineEditor {
    this.#agent = agent;
    const { view, isInteractive, openEditor } = this.#ports;
    this.#showMissed();
    if (isInteractive) view.notice('Type a line to send it, "/help" for more');
    return openEditor({
      prompt: "> ",
      onLine: (line) => this.take(line),
      onClose: (reason) => {
        if (reason === "interrupt") this.#end(EXIT.interrupted);
        // A pipe that has ended has said all it had to say; the agent goes on.
        else if (isInteractive) void this.#sayBye();
      },
    });
  }

  /** Gives up what is being sent. */
  abort(): void {
    this.#isEnding = true;
    this.#uploader?.abort();
  }

  /** Takes one typed line. */
  take(line: string): void {
    const text = line.trimEnd();
    if (text === "" || this.#isEnding) return;
    if (/^bye$/i.test(text)) return void this.#sayBye();
    if (text.startsWith("//")) return this.#say(text.slice(1));
    if (!text.startsWith("/")) return this.#say(text);
    const [, word = "", rest = ""] = /^(\/\S*)\s*(.*)$/.exec(text) ?? [];
    this.#obey(word, rest);
  }

  #obey(word: string, rest: string): void {
    const { view } = this.#ports;
    switch (word) {
      case "/send":
        if (rest === "") return view.warning("Cannot send: no file is named", "/send PATH");
        this.#uploads = this.#uploads.then(() => this.#send(unquoted(rest)));
        return;
      case "/files":
        return this.#listFiles();
      case "/status":
        return this.#showStatus();
      case "/help":
        return HELP.forEach((text) => view.notice(text));
      default:
        view.warning(
          `Cannot do "${word}": there is no such command`,
          "Type /help for those there are",
        );
    }
  }

  #say(text: string): void {
    const agent = this.#agent;
    if (agent === undefined) return;
    const { view } = this.#ports;
    try {
      const id = agent.say(text);
      view.queued({ id, text });
      if (agent.state.kind !== "connected") {
        view.notice("queued: it is sent as soon as the server can be reached");
      }
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      view.warning(error.message, error.hint);
    }
  }

  async #send(path: string): Promise<void> {
    if (this.#isEnding) return;
    const { view, createUploader } = this.#ports;
    const uploader = createUploader();
    this.#uploader = uploader;
    try {
      view.notice(`sending ${path}`);
      const [batch] = batchesOf([path]);
      if (batch?.kind === "folder") return await this.#sendFolder(batch, uploader);
      const file = await uploader.send(path);
      this.#files.push(file);
      view.stored(file);
    } catch (error) {
      if (this.#isEnding) return;
      if (!(error instanceof ClientError)) throw error;
      view.warning(error.message, error.hint);
    } finally {
      this.#uploader = undefined;
      await uploader[Symbol.asyncDispose]();
    }
  }

  async #sendFolder(batch: FolderBatch, uploader: Uploader): Promise<void> {
    const { view } = this.#ports;
    const { path, key, folder } = batch;
    const walked = await walkBatch(batch, { access: backgroundSources });
    let left = 0;
    const result = await uploader.sendMany({
      path,
      key,
      folder,
      walked,
      onLeftOut: ({ path, reason }) => {
        if (++left <= MAX_LEFT_OUT_LINES) view.warning(`Cannot send "${path}": ${reason}`);
      },
    });
    view.notice(summaryLine(result, path));
  }

  #listFiles(): void {
    const { view, store } = this.#ports;
    if (this.#files.length === 0) view.notice("no file was sent in this session");
    for (const { path, as, bytes } of this.#files) {
      view.notice(`sent ${path} as "${as}" (${formatSize(bytes)})`);
    }
    for (const { path, bytes } of store.receivedFiles(MAX_LISTED_FILES)) {
      view.notice(`received ${path} (${formatSize(bytes)})`);
    }
  }

  #showStatus(): void {
    const { view, store } = this.#ports;
    const state = this.#agent?.state;
    const rtt = this.#agent?.roundTripMs ?? (state?.kind === "connected" ? state.rttMs : undefined);
    view.notice(
      state?.kind === "connected"
        ? `connected to ${formatAddress(state.address)} as ${state.name}` +
          (rtt === undefined ? "" : `, round trip ${Math.round(rtt * 10) / 10} ms`)
        : `not connected${state?.kind === "waiting" ? `: ${state.reason}` : ""}`,
    );
    const { messages, bytes } = store.outbox.waiting();
    if (messages > 0) view.notice(`queued: ${messages} (${formatSize(bytes)})`);
    this.#showReceiving();
  }

  #showReceiving(): void {
    const { view, receiver } = this.#ports;
    const { current, waiting = 0 } = receiver?.() ?? {};
    if (current !== undefined) {
      const { name, bytes, size } = current;
      view.notice(`receiving ${name}: ${formatSize(bytes)} of ${formatSize(size)}`);
    }
    const others = waiting - (current === undefined ? 0 : 1);
    if (others > 0) view.notice(`files of the server that wait: ${others}`);
  }

  #showMissed(): void {
    const { store, view } = this.#ports;
    if (!view.isRead) return;
    const missed = store.unshown(MAX_MISSED_MESSAGES);
    for (const message of missed) view.message(message);
    void this.#noteShown(missed.map(({ id }) => id));
    if (missed.length === MAX_MISSED_MESSAGES) {
      view.notice("older messages follow at the next start");
    }
  }

  /** Only what has left for the screen was shown: whoever dies before that shows it at the next start. */
  async #noteShown(ids: readonly string[]): Promise<void> {
    await this.#ports.view.printed();
    if (ids.length > 0) this.#agent?.markShown(...ids);
  }

  async #sayBye(): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    await this.#uploads;
    if (this.#agent?.state.kind !== "waiting") await this.#agent?.drained(DRAIN_LIMIT_MS);
    this.#end(EXIT.done);
  }

  #end(exitCode: ExitCode): void {
    this.#isEnding = true;
    this.#ended.resolve(exitCode);
  }
}

/** A path as a person types it, perhaps in quotes because it holds blanks. */
function unquoted(text: string): string {
  return /^"(.+)"$|^'(.+)'$/.exec(text)?.slice(1).find((inner) => inner !== undefined) ?? text;
}
