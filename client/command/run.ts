/**
 * `hbclient run`: stay connected until told to stop; on a terminal also the chat.
 *
 * @module
 */

import { join, resolve } from "node:path";
import { type Clock, sleep } from "../../platform/clock.ts";
import {
  type DataDirectory,
  DataDirectoryInUseError,
  openDataDirectory,
} from "../../platform/data_directory.ts";
import { HostFacts, systemHost } from "../../platform/host_facts.ts";
import { openLineEditor } from "../../platform/line_editor.ts";
import { getLog } from "../../platform/log.ts";
import { Agent } from "../agent.ts";
import { Chat } from "../chat.ts";
import { type ChatView, jsonView, logView, terminalView } from "../chat_view.ts";
import { EXIT, type ExitCode } from "../exit_code.ts";
import { FILES_DIRECTORY, InboxFolder } from "../inbox_folder.ts";
import { type OpenClient, openClient, PLAINTEXT_WARNING } from "../open_client.ts";
import type { InvocationOf } from "../options.ts";
import { Receiver } from "../receive.ts";
import { Uploader } from "../upload.ts";
import type { CommandContext } from "./context.ts";

/** A command that looks whether the agent runs holds the lock for a moment: tries, and the pause between. */
const LOCK_TRIES = 3;
const LOCK_PAUSE_MS = 200;

/** Runs the agent; resolves with the exit code when a signal, the person or `bye` has ended it. */
export async function runCommand(
  { options }: InvocationOf<"run">,
  context: CommandContext,
): Promise<ExitCode> {
  const { dataDirectory, clock, stopping, terminal } = context;
  using _directory = await lockDirectory(dataDirectory, clock);
  using client = await openClient(options, context);
  const view = viewFor(options, context);
  if (client.access.destination.certificate === undefined) view.warning(PLAINTEXT_WARNING);
  const chat = new Chat({
    openEditor: (editorOptions) => openLineEditor(terminal, editorOptions),
    isInteractive: terminal.isInteractive,
    view,
    store: client.store,
    receiver: () => receiver,
    createUploader: () => createUploader(client, { context, view }),
  });
  const receiver = createReceiver(client, { context, chat, options });
  const agent = createAgent(client, { context, chat, receiver });
  const stopped = Promise.withResolvers<ExitCode>();
  const onStop = () => stopped.resolve(stopping.reason === "SIGINT" ? EXIT.interrupted : EXIT.done);
  if (stopping.aborted) onStop();
  stopping.addEventListener("abort", onStop, { once: true });
  const running = agent.run();
  using editor = chat.start(agent);
  const exitCode = await Promise.race([running.then(() => EXIT.done), chat.ended, stopped.promise]);
  editor.close();
  chat.abort();
  await agent.stop();
  await running;
  sayWhatWaits(client, view);
  return exitCode;
}

async function lockDirectory(path: string, clock: Clock): Promise<DataDirectory> {
  for (let tries = 1;; tries++) {
    try {
      return openDataDirectory(path, { lock: true });
    } catch (error) {
      if (!(error instanceof DataDirectoryInUseError) || tries >= LOCK_TRIES) throw error;
      await sleep(clock, LOCK_PAUSE_MS);
    }
  }
}

function viewFor(options: { json: boolean }, { terminal, clock }: CommandContext): ChatView {
  if (options.json) return jsonView(terminal, clock);
  return terminal.isInteractive ? terminalView(terminal) : logView(terminal, getLog("client"));
}

function createReceiver(
  { access, store }: OpenClient,
  { context, chat, options }: {
    context: CommandContext;
    chat: Chat;
    options: InvocationOf<"run">["options"];
  },
): Receiver {
  const { clock, random, dataDirectory } = context;
  const { noPush, files, maxFileSize: maxFileBytes, minFree: minFreeBytes } = options;
  const directory = resolve(files ?? join(dataDirectory, FILES_DIRECTORY));
  return new Receiver({
    clock,
    random,
    connect: (request) => access.connect({ role: "data", ...request }),
    folder: noPush ? undefined : new InboxFolder({ directory, maxFileBytes, minFreeBytes }),
    store,
  }, chat.events);
}

function createAgent(
  { access, store }: OpenClient,
  { context, chat, receiver }: { context: CommandContext; chat: Chat; receiver: Receiver },
): Agent {
  const { clock, random, dataDirectory } = context;
  const facts = new HostFacts(systemHost(dataDirectory));
  return new Agent({
    clock,
    random,
    connect: (request) => access.connect({ role: "agent", ...request }),
    store,
    vitals: () => facts.vitals(),
    receiver,
  }, chat.events);
}

function createUploader(
  { access, uploads }: OpenClient,
  { context, view }: { context: CommandContext; view: ChatView },
): Uploader {
  const { clock, random, stopping } = context;
  return new Uploader({
    clock,
    random,
    connect: (signal = stopping) => access.connect({ role: "data", signal }),
    memory: uploads(),
    onNotice: (notice) => view.notice(notice),
    signal: stopping,
  });
}

function sayWhatWaits({ store }: OpenClient, view: ChatView): void {
  const { messages } = store.outbox.waiting();
  if (messages === 0) return;
  const what = messages === 1 ? "1 message is" : `${messages} messages are`;
  view.notice(`${what} still queued; the agent sends what waits when it runs again`);
}
