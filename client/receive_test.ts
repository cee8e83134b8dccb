import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { FakeClock } from "../platform/fake_clock.ts";
import { type FileSystem, systemFiles } from "../platform/file_system.ts";
import { type FrameOf, PARTIAL_KEEP_MS, TRANSFER_STALL_MS } from "../protocol/mod.ts";
import { CannotConnectError } from "./client_error.ts";
import {
  FakePushingServer,
  type PushingSide,
  type ServePushes,
  sha256Of,
} from "./fake_pushing_server.ts";
import { InboxFolder, type InboxFolderOptions } from "./inbox_folder.ts";
import { LATER_MS, MAX_WAITING_PUSHES, type RefusedFile } from "./push_queue.ts";
import { Receiver, SWEEP_MS } from "./receive.ts";
import { ClientStore, type ReceivedFile } from "./store.ts";

type Answer = FrameOf<"REJECT"> | FrameOf<"STORED">;

const idOf = (n: number) => `0191b4a0-0000-7000-8000-${String(n).padStart(12, "0")}`;
const ID = idOf(1);
const CONTENT = pattern(300_000);

function pattern(size: number): Uint8Array {
  return new Uint8Array(size).map((_, at) => (at * 31 + (at >> 8)) & 0xff);
}

function push(fields: Partial<FrameOf<"PUSH">> = {}, content = CONTENT): FrameOf<"PUSH"> {
  return {
    verb: "PUSH",
    id: ID,
    path: ["setup.msi"],
    size: content.length,
    sha256: sha256Of(content),
    ...fields,
  };
}

/** The refusal that an answer must be. */
function rejectOf(answer: Answer | undefined): FrameOf<"REJECT"> {
  if (answer?.verb !== "REJECT") throw new Error(`Expected REJECT, got ${answer?.verb}`);
  return answer;
}

/** A receiver with real files, a clock that stands still and servers in memory. */
class Stage implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly directory = Deno.makeTempDirSync();
  readonly files = join(this.directory, "files");
  readonly store = new ClientStore(this.directory, { clock: this.clock });
  readonly server: FakePushingServer;
  readonly answers: Answer[] = [];
  readonly received: ReceivedFile[] = [];
  readonly refused: RefusedFile[] = [];
  readonly coming: number[] = [];
  readonly warnings: string[] = [];
  readonly receiver: Receiver;
  running: Promise<void> | undefined;

  constructor(
    serves: ServePushes[] = [],
    { folder = {}, recordReceived, takes = true }: {
      folder?: Partial<InboxFolderOptions>;
      recordReceived?: (file: ReceivedFile) => void;
      takes?: boolean;
    } = {},
  ) {
    this.server = new FakePushingServer(...serves);
    this.receiver = new Receiver({
      clock: this.clock,
      random: () => 0.5,
      connect: (request) => this.server.connect(request),
      folder: takes
        ? new InboxFolder({ directory: this.files, minFreeBytes: 0, ...folder })
        : undefined,
      store: {
        receivedFile: (id) => this.store.receivedFile(id),
        recordReceived: recordReceived ?? ((file) => this.store.recordReceived(file)),
      },
    }, {
      onFile: (file) => this.received.push(file),
      onFileComing: (_, offset) => this.coming.push(offset),
      onFileRefused: (file) => this.refused.push(file),
      onWarning: (warning) => this.warnings.push(warning),
    });
  }

  take(...pushes: FrameOf<"PUSH">[]): void {
    this.running ??= this.receiver.run();
    for (const frame of pushes) this.receiver.take(frame, (answer) => this.answers.push(answer));
  }

  /** Lets real files and fake connections work until something is so; time stands still. */
  async until(isSo: () => boolean): Promise<void> {
    const deadline = performance.now() + 30_000;
    while (!isSo()) {
      if (performance.now() > deadline) throw new Error(`Still not so: ${isSo}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** The same while time passes, slowly enough that real files are not taken for stalled. */
  async untilIn(stepMs: number, isSo: () => boolean): Promise<void> {
    for (let step = 0; !isSo(); step++) {
      if (step > 30_000) throw new Error(`Still not so: ${isSo}`);
      await this.clock.advance(stepMs);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Lets what is under way come to rest. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 30));
  }

  /** Names below the folder, staged ones too. */
  names(directory = this.files): string[] {
    return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory }) =>
      isDirectory ? this.names(join(directory, name)).map((inner) => `${name}/${inner}`) : [name]
    ).sort();
  }

  /** Puts an unfinished file there, as another run would have left it. */
  async leavePartial(bytes: number): Promise<void> {
    await using first = new Stage([cutAt(bytes)], { folder: { directory: this.files } });
    first.take(push());
    await first.until(() => first.server.tries === 1);
    first.server.failures = Array.from({ length: 100 }, () => new CannotConnectError([]));
    await first.untilIn(100, () => first.server.tries === 2);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stopping = this.receiver.stop();
    await this.clock.advance(10_000);
    await stopping;
    await this.running;
    await this.server.done();
    assertEquals(this.clock.waiting, 0, "a timer is left");
    this.store[Symbol.dispose]();
    await Deno.remove(this.directory, { recursive: true });
  }
}

for (const size of [0, 1, 65_536, 3_000_000]) {
  Deno.test(`Receiver stores a file of ${size} bytes, remembers it and tells the server`, async () => {
    const content = pattern(size);
    let answer: Answer | undefined;
    await using stage = new Stage([async (side) => {
      answer = await side.give(content);
      await side.frame("END");
    }]);
    stage.take(push({}, content));
    await stage.until(() => stage.received.length === 1);
    await stage.server.done();
    const path = join(stage.files, "setup.msi");
    const sha256 = sha256Of(content);
    const file = { id: ID, as: "setup.msi", path, bytes: size, sha256 };
    assertEquals(Deno.readFileSync(path), content);
    assertEquals(stage.received, [file]);
    assertEquals(stage.store.receivedFile(ID), file);
    assertEquals(answer, { verb: "STORED", id: ID, as: "setup.msi", bytes: size, sha256 });
    assertEquals([stage.names(), stage.answers], [["setup.msi"], []]);
    const { mode } = Deno.statSync(join(stage.files, ".staging", "server"));
    assertEquals((mode ?? 0) & 0o777, 0o700);
  });
}

Deno.test("[HB-131] Receiver says STORED also where a push is announced again while it is stored", async () => {
  await using stage = new Stage([async (side) => {
    stage.take(push());
    await side.give(CONTENT);
    await side.frame("END");
  }]);
  stage.take(push());
  await stage.until(() => stage.received.length === 1);
  assertEquals(stage.answers.map(({ verb, id }) => [verb, id]), [["STORED", ID]]);
});

Deno.test("Receiver fetches what waits in order, one at a time, over one connection", async () => {
  const contents = [1, 2, 3].map((n) => pattern(n * 1000));
  await using stage = new Stage([async (side) => {
    for (const content of contents) await side.give(content);
    await side.frame("END");
  }]);
  stage.take(...contents.map((content, n) => push({ id: idOf(n), path: [`${n}`] }, content)));
  assertEquals(stage.receiver.waiting, 3);
  await stage.until(() => stage.received.length === 3);
  assertEquals(stage.received.map(({ as }) => as), ["0", "1", "2"]);
  await stage.server.done();
  assertEquals([stage.server.sides.length, stage.receiver.waiting], [1, 0]);
});

const REFUSALS: [string, Partial<FrameOf<"PUSH">>, string][] = [
  ["a path that leads out", { path: ["..", "evil"] }, "bad_name"],
  ["a name that leads out", { path: ["../evil"] }, "bad_name"],
  ["an absolute name", { path: ["/etc/passwd"] }, "bad_name"],
  ["a name of Windows", { path: ["CON"] }, "bad_name"],
  ["a folder", { path: [".staging", "x"] }, "bad_name"],
  ["no name", { path: [] }, "bad_name"],
  ["no path", { path: 7 }, "bad_name"],
  ["a size below 0", { size: -1 }, "bad_size"],
  ["a size that is no number", { size: "12" }, "bad_size"],
  ["a size above the limit", { size: 1_000_001 }, "too_large"],
];

for (const [what, fields, code] of REFUSALS) {
  Deno.test(`Receiver refuses ${what} as ${code} and creates nothing`, async () => {
    await using stage = new Stage([], { folder: { maxFileBytes: 1_000_000 } });
    stage.take(push(fields));
    await stage.settle();
    assertEquals(stage.answers.map((answer) => answer.verb === "REJECT" && answer.code), [code]);
    assertEquals(stage.refused.map((file) => [file.code, file.retry]), [[code, false]]);
    assertEquals([stage.server.tries, stage.receiver.waiting], [0, 0]);
    assert(!Array.from(Deno.readDirSync(stage.directory)).some(({ name }) => name === "files"));
  });
}

Deno.test("Receiver takes a file of exactly the largest size", async () => {
  await using stage = new Stage([async (side) => void await side.give(CONTENT)], {
    folder: { maxFileBytes: CONTENT.length },
  });
  stage.take(push());
  await stage.until(() => stage.received.length === 1);
});

Deno.test("Receiver that takes no files says so", async () => {
  await using stage = new Stage([], { takes: false });
  stage.take(push());
  await stage.settle();
  const answer = rejectOf(stage.answers[0]);
  assertEquals([answer.code, answer.retry], ["denied", false]);
  assertEquals(answer.reason, "This machine takes no files (--no-push)");
});

Deno.test("Receiver answers a file that it has stored before from memory", async () => {
  await using stage = new Stage();
  const file = { id: ID, as: "setup (2).msi", path: "/moved", bytes: 5, sha256: sha256Of(CONTENT) };
  stage.store.recordReceived(file);
  stage.take(push());
  await stage.settle();
  const { id, as, bytes, sha256 } = file;
  assertEquals(stage.answers, [{ verb: "STORED", id, as, bytes, sha256 }]);
  assertEquals([stage.server.tries, stage.received], [0, []]);
});

Deno.test("Receiver fetches a push once that is announced twice", async () => {
  await using stage = new Stage([async (side) => {
    await side.give(CONTENT);
    await side.frame("END");
  }]);
  stage.take(push(), push(), push());
  await stage.until(() => stage.received.length === 1);
  await stage.server.done();
  assertEquals(stage.names(), ["setup.msi"]);
});

Deno.test("Receiver keeps a bounded number of pushes and says busy to more", async () => {
  await using stage = new Stage();
  stage.server.failures = [new CannotConnectError([])];
  for (let n = 0; n <= MAX_WAITING_PUSHES; n++) stage.take(push({ id: idOf(n) }));
  const answer = rejectOf(stage.answers[0]);
  assertEquals([answer.code, answer.retry, answer.id], ["busy", true, idOf(MAX_WAITING_PUSHES)]);
  assertEquals([stage.answers.length, stage.receiver.waiting], [1, MAX_WAITING_PUSHES]);
});

Deno.test("Receiver numbers a name that is taken and touches nothing of others", async () => {
  await using stage = new Stage([async (side) => {
    assertEquals((await side.give(CONTENT) as FrameOf<"STORED">).as, "setup (2).msi");
  }]);
  Deno.mkdirSync(stage.files);
  const elsewhere = join(stage.directory, "elsewhere");
  Deno.symlinkSync(elsewhere, join(stage.files, "setup.msi"));
  stage.take(push());
  await stage.until(() => stage.received.length === 1);
  assertEquals(stage.names(), ["setup (2).msi", "setup.msi"]);
  assert(!Array.from(Deno.readDirSync(stage.directory)).some(({ name }) => name === "elsewhere"));
});

for (const link of [".staging", ".staging/server"]) {
  Deno.test(`Receiver does not follow a link in place of ${link}`, async () => {
    await using stage = new Stage();
    const elsewhere = join(stage.directory, "elsewhere");
    const place = join(stage.files, link);
    Deno.mkdirSync(dirname(place), { recursive: true, mode: 0o700 });
    Deno.mkdirSync(elsewhere);
    Deno.symlinkSync(elsewhere, place);
    stage.take(push());
    await stage.until(() => stage.answers.length === 1);
    const answer = rejectOf(stage.answers[0]);
    assertEquals([answer.code, stage.names(elsewhere)], ["denied", []]);
    assert(stage.warnings.length > 0);
  });
}

Deno.test("Receiver asks a busy server again on the same connection, after 1 to 5 s", async () => {
  let asked = 0;
  await using stage = new Stage([async (side) => {
    for (; asked < 2; asked++) {
      const { id } = await side.frame("FETCH");
      side.connection.send({ verb: "REJECT", id, code: "busy", reason: "later", retry: true });
    }
    await side.give(CONTENT);
    await side.frame("END");
  }]);
  stage.take(push());
  for (const times of [1, 2]) {
    await stage.until(() => asked === times && stage.clock.waiting === 1);
    await stage.clock.advance(2_999);
    assertEquals(asked, times);
    await stage.clock.advance(1);
  }
  await stage.until(() => stage.received.length === 1);
  await stage.server.done();
  assertEquals([stage.server.sides.length, stage.refused], [1, []]);
});

Deno.test("Receiver forgets a push that no longer waits, with its partial, and goes on", async () => {
  await using stage = new Stage([async (side) => {
    const { id } = await side.frame("FETCH");
    side.connection.send({ verb: "REJECT", id, code: "denied", reason: "gone", retry: false });
    await side.give(CONTENT);
  }]);
  await stage.leavePartial(1000);
  stage.take(push(), push({ id: idOf(2), path: ["b"] }));
  await stage.until(() => stage.received.length === 1);
  assertEquals(stage.refused.map(({ code, reason }) => [code, reason]), [["withdrawn", "gone"]]);
  assertEquals(stage.names(), ["b"]);
});

Deno.test("Receiver tries later what the server cannot read now, and fetches the rest first", async () => {
  await using stage = new Stage([async (side) => {
    const { id } = await side.frame("FETCH");
    side.connection.send({ verb: "REJECT", id, code: "io", reason: "disk", retry: true });
    await side.give(CONTENT);
    await side.frame("END");
  }, async (side) => void await side.give(CONTENT)]);
  stage.take(push(), push({ id: idOf(2), path: ["b"] }));
  await stage.until(() => stage.received.length === 1);
  await stage.server.done();
  assertEquals(stage.refused.map(({ name, retry }) => [name, retry]), [["setup.msi", true]]);
  await stage.untilIn(1_000, () => stage.received.length === 2);
  assertEquals(stage.names(), ["b", "setup.msi"]);
});

/** Sends up to `end` bytes of CONTENT and closes. */
function cutAt(end: number): ServePushes {
  return async (side) => {
    const { offset } = await side.agree(CONTENT);
    await side.send(CONTENT.subarray(offset, end));
  };
}

Deno.test("Receiver goes on after every cut where it was, and nothing is sent twice", async () => {
  const cuts = [1, 70_000, 70_001, 299_999, 300_000];
  const last: ServePushes = async (side) => void await side.give(CONTENT);
  await using stage = new Stage([...cuts.map(cutAt), last]);
  stage.take(push());
  for (const [n] of cuts.entries()) {
    await stage.untilIn(100, () => stage.server.sides.length === n + 1);
    assertEquals(stage.names().filter((name) => !name.startsWith(".staging")), []);
  }
  await stage.untilIn(100, () => stage.received.length === 1);
  assertEquals(Deno.readFileSync(join(stage.files, "setup.msi")), CONTENT);
  assertEquals(stage.names(), ["setup.msi"]);
  const sent = stage.server.sides.reduce((sum, side) => sum + side.sent, 0);
  assertEquals([sent, stage.coming], [CONTENT.length, [0]]);
});

Deno.test("Receiver goes on with what an earlier run has left", async () => {
  let side: PushingSide | undefined;
  await using stage = new Stage([async (serving) => {
    side = serving;
    await serving.give(CONTENT);
  }]);
  await stage.leavePartial(100_000);
  stage.take(push());
  await stage.until(() => stage.received.length === 1);
  assertEquals([side?.offsets, side?.sent], [[100_000, 100_000], 200_000]);
  assertEquals(Deno.readFileSync(join(stage.files, "setup.msi")), CONTENT);
});

Deno.test("Receiver starts over when the server's file has become another one", async () => {
  const other = CONTENT.map((byte) => byte ^ 1);
  await using stage = new Stage([async (side) => {
    await side.give(other);
    assertEquals([side.offsets.at(-1), side.sent], [0, other.length]);
  }]);
  await stage.leavePartial(100_000);
  stage.take(push({}, other));
  await stage.until(() => stage.received.length === 1);
  assertEquals(Deno.readFileSync(join(stage.files, "setup.msi")), other);
});

Deno.test("Receiver keeps what it has when the server stalls, and goes on (fault 18)", async () => {
  let stalled = false;
  await using stage = new Stage([async (side) => {
    await side.agree(CONTENT);
    await side.send(CONTENT.subarray(0, 1000));
    stalled = true;
    await side.connection.readFrame().catch(() => {}); // Until the client closes.
  }, async (side) => {
    await side.give(CONTENT);
    assertEquals(side.sent, CONTENT.length - 1000);
  }]);
  stage.take(push());
  await stage.until(() => stalled);
  await stage.settle();
  await stage.clock.advance(TRANSFER_STALL_MS);
  await stage.untilIn(100, () => stage.received.length === 1);
});

Deno.test("Receiver gives a file up that arrives damaged three times, and leaves nothing", async () => {
  const damaged = CONTENT.slice();
  damaged[5] = 0xff;
  const retries: unknown[] = [];
  await using stage = new Stage([async (side) => {
    for (let n = 0; n < 3; n++) {
      const { id } = await side.agree(CONTENT);
      await side.send(damaged);
      // The sender believes in the right digest, and what arrives is something else.
      side.sum(id, n === 1 ? damaged : CONTENT);
      const { code, retry } = await side.frame("REJECT");
      retries.push([code, retry]);
    }
    await side.frame("END");
  }]);
  stage.take(push());
  await stage.until(() => stage.receiver.waiting === 0);
  await stage.server.done();
  assertEquals(retries, [["hash", true], ["hash", true], ["hash", false]]);
  assertEquals([stage.names(), stage.received], [[], []]);
  assertEquals(stage.refused.map(({ code, retry }) => [code, retry]), [
    ["hash", true],
    ["hash", false],
  ]);
});

Deno.test("Receiver says no_space before a byte, once, and tries again by itself", async () => {
  await using stage = new Stage([], { folder: { minFreeBytes: 2 ** 52 } });
  stage.take(push());
  await stage.until(() => stage.answers.length === 1);
  const answer = rejectOf(stage.answers[0]);
  assertEquals([answer.code, answer.retry], ["no_space", true]);
  await stage.until(() => stage.clock.waiting === 1);
  await stage.clock.advance(LATER_MS);
  await stage.settle();
  assertEquals([stage.answers.length, stage.refused.length], [1, 1]);
  stage.take(push(), push());
  await stage.settle();
  assertEquals(stage.answers.slice(1), [answer, answer], "every announcement has its answer");
  assertEquals(stage.refused.length, 1, "a person is told once");
  assertEquals([stage.server.tries, stage.receiver.waiting, stage.names()], [0, 1, []]);
});

Deno.test("Receiver does not publish again what was published and not recorded", async () => {
  const codes: string[] = [];
  let failures = 1;
  await using stage = new Stage([async (side) => {
    codes.push(rejectOf(await side.give(CONTENT)).code);
    await side.frame("END");
  }, async (side) => {
    const answer = await side.give(CONTENT);
    assertEquals([answer.verb, side.sent], ["STORED", 0]);
  }], {
    recordReceived: (file) => {
      if (failures-- > 0) throw new Error("database or disk is full");
      stage.store.recordReceived(file);
    },
  });
  stage.take(push());
  await stage.until(() => codes.length === 1);
  await stage.server.done();
  await stage.untilIn(1_000, () => stage.received.length === 1);
  assertEquals([codes, stage.names()], [["io"], ["setup.msi"]]);
  assertEquals(stage.warnings, ['Cannot record "setup.msi": database or disk is full']);
});

Deno.test("Receiver waits longer from try to try, and not when the server calls", async () => {
  await using stage = new Stage([async (side) => void await side.give(CONTENT)]);
  stage.server.failures = Array.from({ length: 8 }, () => new CannotConnectError([]));
  stage.take(push());
  const waits = [1.5, 2.5, 4.5, 8.5, 15.5, 15.5, 15.5];
  for (const [n, seconds] of waits.entries()) {
    await stage.until(() => stage.server.tries === n + 1 && stage.clock.waiting === 1);
    await stage.clock.advance(seconds * 1000 - 1);
    assertEquals(stage.server.tries, n + 1);
    await stage.clock.advance(1);
  }
  await stage.until(() => stage.server.tries === 8 && stage.clock.waiting === 1);
  stage.take(push());
  await stage.until(() => stage.received.length === 1);
});

Deno.test("Receiver sweeps what nobody completes at its start and once a day", async () => {
  await using stage = new Stage();
  await stage.leavePartial(1000);
  assert(stage.names().length > 0);
  const staging = join(stage.files, ".staging", "server");
  const age = (ms: number) => {
    const at = new Date(stage.clock.wall() - ms);
    for (const { name } of Deno.readDirSync(staging)) Deno.utimeSync(join(staging, name), at, at);
  };
  age(PARTIAL_KEEP_MS - 1000);
  stage.take();
  await stage.until(() => stage.clock.waiting === 1);
  assert(stage.names().length > 0);
  age(PARTIAL_KEEP_MS + 1000);
  await stage.clock.advance(SWEEP_MS - 1);
  assert(stage.names().length > 0);
  await stage.clock.advance(1);
  await stage.until(() => stage.names().length === 0);
});

Deno.test("Receiver keeps on disk what has come when it is stopped", async () => {
  await using stage = new Stage([async (side) => {
    await side.agree(CONTENT);
    await side.send(CONTENT.subarray(0, 123_456));
    await side.connection.readFrame().catch(() => {}); // Until the client closes.
  }]);
  stage.take(push());
  await stage.until(() => stage.server.sides[0]?.sent === 123_456);
  await stage.settle();
  await stage.receiver.stop();
  const sizes = stage.names().map((name) => Deno.statSync(join(stage.files, name)).size);
  assert(sizes.includes(123_456));
});

function failingWrites(after: number): FileSystem {
  let written = 0;
  return {
    ...systemFiles,
    create: async (path) => {
      const file = await systemFiles.create(path);
      const write = file.write.bind(file);
      file.write = (bytes) => {
        written += bytes.length;
        if (written > after) {
          return Promise.reject(Object.assign(new Error("disk full"), { code: "ENOSPC" }));
        }
        return write(bytes);
      };
      return file;
    },
  };
}

Deno.test("Receiver says no_space in the middle, keeps what it has, and goes on later", async () => {
  const content = pattern(3_000_000);
  const rejects: FrameOf<"REJECT">[] = [];
  await using stage = new Stage([async (side) => {
    const { offset } = await side.agree(content);
    const sending = side.send(content.subarray(offset)).catch(() => {}); // The client closes.
    rejects.push(await side.frame("REJECT"));
    await sending;
  }, async (side) => {
    await side.give(content);
    assert(side.sent < content.length);
  }], { folder: { files: failingWrites(2_500_000) } });
  stage.take(push({}, content));
  await stage.until(() => rejects.length === 1);
  await stage.server.done();
  const [reject] = rejects;
  assertEquals([reject?.code, reject?.retry], ["no_space", true]);
  assert((reject?.offset ?? 0) > 0);
  await stage.untilIn(1_000, () => stage.received.length === 1);
  assertEquals(stage.names(), ["setup.msi"]);
});
