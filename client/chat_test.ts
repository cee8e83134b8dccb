import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { FakeClock } from "../platform/fake_clock.ts";
import type { LineEditorOptions } from "../platform/line_editor.ts";
import { MAX_MESSAGE_BYTES } from "../protocol/mod.ts";
import { Agent } from "./agent.ts";
import { Chat, DRAIN_LIMIT_MS } from "./chat.ts";
import type { ChatView } from "./chat_view.ts";
import { CannotConnectError } from "./client_error.ts";
import { ClientStore } from "./store.ts";
import { Uploader } from "./upload.ts";

/** A view that writes down what it is to show. */
class Notebook implements ChatView {
  readonly lines: string[] = [];
  constructor(readonly isRead: boolean) {}
  state = ({ kind }: { kind: string }) => void this.lines.push(`state ${kind}`);
  message = ({ text }: { text: string }) => void this.lines.push(`server: ${text}`);
  printed = () => Promise.resolve();
  queued = ({ text }: { text: string }) => void this.lines.push(`queue: ${text}`);
  receipt = ({ state }: { state: string }, text: string | undefined) =>
    void this.lines.push(`${state}: ${text}`);
  stored = ({ as }: { as: string }) => void this.lines.push(`stored ${as}`);
  coming = ({ name }: { name: string }, offset: number) =>
    void this.lines.push(`coming ${name} ${offset}`);
  received = ({ as }: { as: string }) => void this.lines.push(`received ${as}`);
  notReceived = ({ name, reason }: { name: string; reason: string }) =>
    void this.lines.push(`not received ${name}: ${reason}`);
  notice = (text: string) => void this.lines.push(text);
  warning = (text: string) => void this.lines.push(`warning: ${text}`);
}

/** A chat whose agent never reaches its server. */
class Stage implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly directory = Deno.makeTempDirSync();
  readonly store = new ClientStore(this.directory, { clock: this.clock });
  readonly view: Notebook;
  readonly chat: Chat;
  readonly agent: Agent;
  editor: LineEditorOptions | undefined;
  receiving: {
    current: { name: string; bytes: number; size: number } | undefined;
    waiting: number;
  } = {
    current: undefined,
    waiting: 0,
  };
  ended: number | undefined;

  constructor({ isInteractive = true } = {}) {
    this.view = new Notebook(isInteractive);
    const away = () => Promise.reject(new CannotConnectError([]));
    this.chat = new Chat({
      openEditor: (options) => {
        this.editor = options;
        return { close: () => {}, [Symbol.dispose]: () => {} };
      },
      isInteractive,
      view: this.view,
      store: this.store,
      receiver: () => this.receiving,
      createUploader: () => new Uploader({ clock: this.clock, random: () => 0.5, connect: away }),
    });
    this.agent = new Agent({
      clock: this.clock,
      random: () => 0.5,
      connect: away,
      store: this.store,
      vitals: () => ({}),
    }, this.chat.events);
    void this.chat.ended.then((exitCode) => this.ended = exitCode);
  }

  start(): void {
    this.chat.start(this.agent);
    this.view.lines.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.chat.abort();
    await this.clock.advance(DRAIN_LIMIT_MS);
    this.store[Symbol.dispose]();
    await Deno.remove(this.directory, { recursive: true });
  }
}

const ID = "0191b4a0-0000-7000-8000-000000000001";

Deno.test("Chat queues a typed line and says that the server is away", async () => {
  await using stage = new Stage();
  stage.start();
  stage.chat.take("printer is on fire  ");
  assertEquals(stage.store.outbox.queuedAfter(0, 10).map(({ text }) => text), [
    "printer is on fire",
  ]);
  assertEquals(stage.view.lines[0], "queue: printer is on fire");
  assertStringIncludes(stage.view.lines.join(), "queued");
});

Deno.test("Chat ignores blank lines and sends a line with two slashes as one with one", async () => {
  await using stage = new Stage();
  stage.start();
  for (const line of ["", "   ", "//etc is full"]) stage.chat.take(line);
  assertEquals(stage.store.outbox.queuedAfter(0, 10).map(({ text }) => text), ["/etc is full"]);
});

Deno.test("Chat says why a line cannot be sent", async () => {
  await using stage = new Stage();
  stage.start();
  stage.chat.take("x".repeat(MAX_MESSAGE_BYTES + 1));
  assertEquals(stage.view.lines.length, 1, stage.view.lines.join());
  assertStringIncludes(stage.view.lines.join(), "warning: Cannot send the message");
  assertEquals(stage.store.outbox.waiting().messages, 0);
});

Deno.test("Chat tells what became of a message together with its text", async () => {
  await using stage = new Stage();
  stage.start();
  stage.chat.take("hello");
  const id = stage.store.outbox.queuedAfter(0, 1)[0]?.id ?? "";
  stage.chat.events.onReceipt?.({ id, state: "stored" });
  stage.chat.events.onReceipt?.({ id, state: "shown" });
  assertEquals(stage.view.lines.slice(-2), ["stored: hello", "shown: hello"]);
});

Deno.test("Chat shows what was missed once, and marks it as shown when it is on the screen", async () => {
  await using stage = new Stage();
  stage.store.receive([{ id: ID, at: 1, text: "while you were away" }]);
  const { promise, resolve } = Promise.withResolvers<void>();
  stage.view.printed = () => promise;
  stage.chat.start(stage.agent);
  assertEquals(stage.view.lines[0], "server: while you were away");
  await stage.clock.advance(0);
  assertEquals(stage.store.unshown(1).length, 1, "the terminal stands still");
  resolve();
  await stage.clock.advance(0);
  assertEquals([stage.store.unshown(1), stage.store.untold(1)], [[], [ID]]);
});

Deno.test("Chat without a person leaves messages unshown", async () => {
  await using stage = new Stage({ isInteractive: false });
  stage.start();
  stage.store.receive([{ id: ID, at: 1, text: "hello" }]);
  stage.chat.events.onMessage?.({ id: ID, at: 1, text: "hello" });
  assertEquals(stage.view.lines, ["server: hello"]);
  assertEquals(stage.store.unshown(1).length, 1);
});

for (const [word, ends] of [["bye", true], ["Bye ", true], ["goodbye", false]] as const) {
  Deno.test(`Chat ${ends ? "ends" : "goes on"} at "${word}"`, async () => {
    await using stage = new Stage();
    stage.start();
    stage.chat.take(word);
    await stage.clock.advance(0);
    assertEquals(stage.ended, ends ? 0 : undefined);
  });
}

Deno.test("Chat gives the server 5 s to store what was typed before bye", async () => {
  await using stage = new Stage();
  stage.start();
  stage.chat.take("last words");
  stage.chat.take("bye");
  stage.chat.take("too late");
  await stage.clock.advance(DRAIN_LIMIT_MS - 1);
  assertEquals(stage.ended, undefined);
  await stage.clock.advance(1);
  assertEquals(stage.ended, 0);
  assertEquals(stage.store.outbox.waiting().messages, 1);
});

Deno.test("Chat ends with 130 at Ctrl-C and with 0 at Ctrl-D", async () => {
  for (const [reason, exitCode] of [["interrupt", 130], ["eof", 0]] as const) {
    await using stage = new Stage();
    stage.start();
    stage.editor?.onClose(reason);
    await stage.clock.advance(0);
    assertEquals(stage.ended, exitCode);
  }
});

Deno.test("Chat goes on when a pipe ends", async () => {
  await using stage = new Stage({ isInteractive: false });
  stage.start();
  stage.editor?.onLine("from a pipe");
  stage.editor?.onClose("eof");
  await stage.clock.advance(DRAIN_LIMIT_MS);
  assertEquals(stage.ended, undefined);
  assertEquals(stage.store.outbox.waiting().messages, 1);
});

Deno.test("Chat obeys its commands and names those that it does not have", async () => {
  await using stage = new Stage();
  stage.start();
  const answerTo = (line: string) => {
    stage.view.lines.length = 0;
    stage.chat.take(line);
    return stage.view.lines.join("\n");
  };
  assertStringIncludes(answerTo("/help"), "/send PATH");
  assertStringIncludes(answerTo("/status"), "not connected");
  assertStringIncludes(answerTo("/files"), "no file was sent");
  assertStringIncludes(answerTo("/send"), "no file is named");
  assertStringIncludes(answerTo("/quit"), 'Cannot do "/quit"');
  assertEquals(stage.store.outbox.waiting().messages, 0);
});

Deno.test("Chat tells what becomes of files of the server, lists them and what is under way", async () => {
  await using stage = new Stage();
  stage.start();
  const file = { id: ID, as: "a.msi", path: "/files/a.msi", bytes: 2048, sha256: "0" };
  const offer = { id: ID, name: "a.msi", size: 2048, sha256: "0" };
  const { onFileComing, onFile, onFileRefused } = stage.chat.events;
  onFileComing?.(offer, 5);
  onFile?.(file);
  onFileRefused?.({ id: ID, name: "b", code: "denied", reason: "no", retry: false });
  assertEquals(stage.view.lines, ["coming a.msi 5", "received a.msi", "not received b: no"]);
  stage.store.recordReceived(file);
  stage.receiving = { current: { name: "c", bytes: 1024, size: 2048 }, waiting: 3 };
  stage.view.lines.length = 0;
  stage.chat.take("/files");
  stage.chat.take("/status");
  assertEquals(stage.view.lines.slice(1), [
    "received /files/a.msi (2.0 KiB)",
    "not connected",
    "receiving c: 1.0 KiB of 2.0 KiB",
    "files of the server that wait: 2",
  ]);
});

Deno.test("Chat sends files in turn and says what went wrong with each", async () => {
  await using stage = new Stage();
  stage.start();
  const path = join(stage.directory, "two words.txt");
  await Deno.writeTextFile(path, "x");
  stage.chat.take(`/send "${path}"`);
  stage.chat.take(`/send ${join(stage.directory, "none")}`);
  stage.chat.take(`/send ${stage.directory}`);
  const done = () => stage.view.lines.filter((line) => line.startsWith("warning")).length === 3;
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 1));
  const [away, none, folder] = stage.view.lines.filter((line) => line.startsWith("warning"));
  assertStringIncludes(away ?? "", "Cannot connect to the server");
  assertStringIncludes(none ?? "", "there is no such file");
  assertStringIncludes(folder ?? "", "Cannot connect to the server");
});
