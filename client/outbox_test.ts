import { assertEquals, assertThrows } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import { uuidV7 } from "../platform/random.ts";
import { MAX_OUTBOX_BYTES, MAX_OUTBOX_MESSAGES } from "../protocol/mod.ts";
import { type Outbox, OutboxFullError } from "./outbox.ts";
import { ClientStore } from "./store.ts";

const clock = new FakeClock();
const AT = 1_700_000_000_000;

function message(text: string, expiresAt?: number) {
  return { id: uuidV7(clock), at: AT, text, expiresAt };
}

function withOutbox(run: (outbox: Outbox) => void): void {
  const directory = Deno.makeTempDirSync();
  try {
    using store = new ClientStore(directory, { clock });
    run(store.outbox);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function states(outbox: Outbox): string[] {
  return outbox.history(100).map(({ text, state }) => `${text} ${state}`);
}

Deno.test("[HB-53] Outbox takes 999 and 1,000 messages, refuses the next in words, and drops none", () => {
  withOutbox((outbox) => {
    for (let count = 0; count < MAX_OUTBOX_MESSAGES - 1; count++) outbox.queue(message("x"));
    assertEquals(outbox.waiting().messages, MAX_OUTBOX_MESSAGES - 1);
    const last = message("last");
    outbox.queue(last);
    const { message: words, exitCode } = assertThrows(
      () => outbox.queue(message("one more")),
      OutboxFullError,
    );
    assertEquals(
      words,
      "Cannot queue the message: the queue is full with 1000 messages, 1003 bytes",
    );
    assertEquals([exitCode, outbox.waiting().messages], [8, MAX_OUTBOX_MESSAGES]);
    outbox.settle([last.id], { state: "stored", at: AT });
    outbox.queue(message("room again"));
  });
});

Deno.test("[HB-53] Outbox takes 5 MiB less a byte and 5 MiB, and refuses a byte more", () => {
  withOutbox((outbox) => {
    outbox.queue(message("x".repeat(MAX_OUTBOX_BYTES - 1)));
    assertThrows(() => outbox.queue(message("ä")), OutboxFullError);
    outbox.queue(message("y"));
    assertThrows(() => outbox.queue(message("z")), OutboxFullError);
    assertEquals(outbox.waiting(), { messages: 2, bytes: MAX_OUTBOX_BYTES });
  });
});

Deno.test("Outbox remembers what became of messages, in bounded number", () => {
  const directory = Deno.makeTempDirSync();
  try {
    using store = new ClientStore(directory, { clock, maxSentMessages: 3 });
    const { outbox } = store;
    const messages = ["a", "b", "c", "d", "e"].map((text) => message(text));
    for (const item of messages) outbox.queue(item);
    const [a, b, c, d] = messages.map(({ id }) => id);
    outbox.settle([a ?? "", b ?? ""], { state: "stored", at: AT + 5 });
    outbox.settle([c ?? ""], { state: "refused", at: AT + 6 });
    outbox.settle([d ?? ""], { state: "stored", at: AT + 7 });
    outbox.markShown([b ?? ""], AT + 9);
    assertEquals(states(outbox), ["b shown", "c refused", "d stored", "e queued"]);
    const [shown] = outbox.history(100);
    assertEquals([shown?.storedAt, shown?.shownAt], [AT + 5, AT + 9]);
    assertEquals([outbox.textOf(b ?? ""), outbox.textOf(a ?? "")], ["b", undefined]);
    assertEquals(outbox.settle([a ?? "", "nobody's"], { state: "stored", at: AT }), []);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("[HB-57] Outbox lets messages expire at their time, and a late receipt still counts", () => {
  withOutbox((outbox) => {
    const early = message("early", AT + 10);
    for (const item of [early, message("later", AT + 11), message("never")]) outbox.queue(item);
    assertEquals(outbox.expire(AT + 9), []);
    assertEquals(outbox.expire(AT + 10).map(({ text }) => text), ["early"]);
    assertEquals(outbox.queuedAfter(0, 10).map(({ text }) => text), ["later", "never"]);
    assertEquals(states(outbox), ["early expired", "later queued", "never queued"]);
    assertEquals(outbox.settle([early.id], { state: "stored", at: AT + 20 }), [early.id]);
    assertEquals(states(outbox)[0], "early stored");
  });
});

Deno.test("Outbox remembers a message that was sent past the queue", () => {
  withOutbox((outbox) => {
    outbox.record(message("by a command"), AT + 1);
    assertEquals(states(outbox), ["by a command stored"]);
    assertEquals(outbox.waiting().messages, 0);
  });
});
