import { assertEquals, assertThrows } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import { uuidV7 } from "../platform/random.ts";
import { MAX_OUTBOX_BYTES, MAX_OUTBOX_MESSAGES } from "../protocol/mod.ts";
import { OutboxFullError } from "./outbox.ts";
import { ClientStore, INBOX_KEEP_MS } from "./store.ts";

function withStore(
  run: (context: { store: ClientStore; clock: FakeClock; directory: string }) => void,
): void {
  const directory = Deno.makeTempDirSync();
  const clock = new FakeClock();
  try {
    using store = new ClientStore(directory, { clock });
    run({ store, clock, directory });
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

const clock = new FakeClock();
const message = (text: string) => ({ id: uuidV7(clock), at: 1_700_000_000_000, text });

Deno.test("ClientStore keeps the outbox in order, across processes, until a message is removed", () => {
  withStore(({ store, directory }) => {
    const texts = ["one", "two", "three"].map(message);
    using other = new ClientStore(directory, { clock });
    store.outbox.queue(texts[0] ?? message(""));
    other.outbox.queue(texts[1] ?? message(""));
    store.outbox.queue(texts[2] ?? message(""));
    assertEquals(store.outbox.queuedAfter(0, 10).map(({ text }) => text), ["one", "two", "three"]);
    assertEquals(other.outbox.queuedAfter(1, 1).map(({ text }) => text), ["two"]);
    const first = texts[0]?.id ?? "";
    assertEquals(other.outbox.settle([first], { state: "stored", at: 1 }), [first]);
    assertEquals(store.outbox.settle([first], { state: "stored", at: 1 }), []);
    assertEquals(store.outbox.waiting(), { messages: 2, bytes: 8 });
  });
});

Deno.test("ClientStore queues one id once", () => {
  withStore(({ store }) => {
    const again = message("again");
    store.outbox.queue(again);
    store.outbox.queue(again);
    assertEquals(store.outbox.waiting().messages, 1);
  });
});

Deno.test("[HB-53] ClientStore refuses a message beyond 1,000", () => {
  withStore(({ store }) => {
    for (let count = 0; count < MAX_OUTBOX_MESSAGES; count++) store.outbox.queue(message("x"));
    const error = assertThrows(() => store.outbox.queue(message("x")), OutboxFullError);
    assertEquals([error.exitCode, error.code], [8, "queue_full"]);
    assertEquals(store.outbox.waiting().messages, MAX_OUTBOX_MESSAGES);
  });
});

Deno.test("[HB-53] ClientStore refuses a message beyond 5 MiB and takes one that just fits", () => {
  withStore(({ store }) => {
    store.outbox.queue(message("ä".repeat(MAX_OUTBOX_BYTES / 2 - 1)));
    assertThrows(() => store.outbox.queue(message("xyz")), OutboxFullError);
    store.outbox.queue(message("xy"));
    assertEquals(store.outbox.waiting(), { messages: 2, bytes: MAX_OUTBOX_BYTES });
  });
});

Deno.test("[HB-51] ClientStore knows a message of the server again", () => {
  withStore(({ store, directory }) => {
    const hello = message("hello");
    assertEquals(store.receive([hello]), [hello]);
    assertEquals(store.receive([hello]), []);
    using other = new ClientStore(directory, { clock });
    assertEquals(other.receive([hello]), []);
    assertEquals(other.unshown(10), [hello]);
  });
});

Deno.test("ClientStore tracks what was shown and what the server was told of it", () => {
  withStore(({ store }) => {
    const messages = ["one", "two"].map(message);
    for (const item of messages) store.receive([item]);
    store.markShown(messages[0]?.id ?? "");
    assertEquals(store.unshown(10), messages.slice(1));
    assertEquals(store.untold(10), [messages[0]?.id ?? ""]);
    store.markTold(store.untold(10));
    assertEquals(store.untold(10), []);
  });
});

Deno.test("ClientStore forgets shown messages after 30 days and keeps the others", async () => {
  const directory = await Deno.makeTempDir();
  const time = new FakeClock();
  const [shown, unshown] = [message("shown"), message("unshown")];
  {
    using store = new ClientStore(directory, { clock: time });
    store.receive([shown]);
    store.receive([unshown]);
    store.markShown(shown.id);
  }
  await time.advance(INBOX_KEEP_MS);
  {
    using store = new ClientStore(directory, { clock: time });
    assertEquals(store.receive([shown]), []);
  }
  await time.advance(1);
  {
    using store = new ClientStore(directory, { clock: time });
    assertEquals(store.receive([shown]), [shown]);
    assertEquals(store.receive([unshown]), []);
  }
  await Deno.remove(directory, { recursive: true });
});

Deno.test("ClientStore keeps the newest messages of a full inbox", () => {
  withStore(({ store, directory }) => {
    for (const text of ["one", "two", "three", "four"]) store.receive([message(text)]);
    using other = new ClientStore(directory, { clock, maxInboxMessages: 3 });
    assertEquals(other.unshown(10).map(({ text }) => text), ["two", "three", "four"]);
  });
});

Deno.test("ClientStore remembers facts", () => {
  withStore(({ store }) => {
    assertEquals(store.recall("address"), undefined);
    store.remember("address", "a:1");
    store.remember("address", "b:2");
    assertEquals(store.recall("address"), "b:2");
  });
});

Deno.test("ClientStore keeps a text with NUL and a byte order mark whole, both ways", async () => {
  const directory = await Deno.makeTempDir();
  const text = "\ufeffbefore\0after";
  {
    using store = new ClientStore(directory, { clock: { wall: () => 1 } });
    const id = "00000000-0000-7000-8000-000000000001";
    store.outbox.queue({ id, at: 1, text });
    store.receive([{ id, at: 1, text }]);
    assertEquals(store.outbox.queuedAfter(0, 10).map((message) => message.text), [text]);
    assertEquals(store.unshown(10).map((message) => message.text), [text]);
  }
  await Deno.remove(directory, { recursive: true });
});

Deno.test("ClientStore remembers received files by id, once, and forgets the oldest above its limit", () => {
  withStore(({ directory }) => {
    using store = new ClientStore(directory, { clock, maxReceivedFiles: 2 });
    const files = ["a", "b", "c"].map((as) => ({
      id: uuidV7(clock),
      as,
      path: `/files/${as}`,
      bytes: 2 ** 40,
      sha256: "0".repeat(64),
    }));
    const [a, b, c] = files;
    for (const file of files) store.recordReceived(file);
    store.recordReceived({ ...(c ?? message("")), as: "other", path: "", bytes: 0, sha256: "" });
    assertEquals(store.receivedFile(a?.id ?? ""), undefined);
    assertEquals(store.receivedFile(c?.id ?? ""), c);
    const receivedAt = clock.wall();
    assertEquals(store.receivedFiles(10), [b, c].map((file) => ({ ...file, receivedAt })));
    assertEquals(store.receivedFiles(1).map(({ id }) => id), [c?.id]);
  });
});
