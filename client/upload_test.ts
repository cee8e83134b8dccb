import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { FakeClock } from "../platform/fake_clock.ts";
import {
  Connection,
  type FrameOf,
  itemId,
  ManifestDraft,
  TRANSFER_STALL_MS,
} from "../protocol/mod.ts";
import { fakeDuplexPair } from "../protocol/fake_duplex.ts";
import { CannotConnectError, ClientError, RefusedError } from "./client_error.ts";
import { blockingSources } from "./source_access.ts";
import { walkDirectory } from "./directory_walk.ts";
import { VERIFY_LIMIT_MS } from "./file_transfer.ts";
import { GIVE_UP_MS } from "./patience.ts";
import { ClientStore } from "./store.ts";
import type { LeftOut } from "./directory_walk.ts";
import { Uploader } from "./upload.ts";
import type { StoredFile } from "./upload_progress.ts";

type Serve = (session: ServerSide) => Promise<void>;

/** The receiver's end of one data connection. */
class ServerSide {
  readonly connection: Connection;

  constructor(connection: Connection) {
    this.connection = connection;
    connection.greeted();
  }

  async frame<
    V extends FrameOf<"FILE" | "PREFIX" | "SUM" | "CANCEL" | "END" | "MANIFEST" | "BUNDLE">["verb"],
  >(
    verb: V,
  ): Promise<FrameOf<V>> {
    const frame = await this.connection.readFrame();
    if (frame?.verb !== verb) throw new Error(`Expected ${verb}, got ${frame?.verb}`);
    return frame as FrameOf<V>;
  }

  async bytes(count: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count;) {
      const read = await this.connection.reader.read(bytes.subarray(at));
      if (read === null) throw new Error("The stream ended early");
      at += read;
    }
    return bytes;
  }

  /** Takes one file as a good server does. */
  async takeFile(as?: string): Promise<{ bytes: Uint8Array; path: unknown; size: number }> {
    const { id, path, size } = await this.frame("FILE");
    this.connection.send({ verb: "READY", id, offset: 0 });
    const bytes = await this.bytes(Number(size));
    const sum = await this.frame("SUM");
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    assertEquals([sum.bytes, sum.sha256], [size, sha256]);
    const name = as ?? String((path as string[])[0]);
    this.connection.send({ verb: "STORED", id, as: name, bytes: Number(size), sha256 });
    return { bytes, path, size: Number(size) };
  }
}

/** An uploader whose connections are served, in order, by the given functions. */
class Stage implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly directory = Deno.makeTempDirSync();
  readonly uploader: Uploader;
  readonly notices: string[] = [];
  readonly served: Promise<void>[] = [];
  failures: Error[] = [];
  connections = 0;
  readonly #serves: Serve[];
  readonly store: ClientStore;

  constructor(...serves: Serve[]) {
    this.#serves = serves;
    this.store = new ClientStore(this.directory, { clock: this.clock });
    this.uploader = this.newUploader("first");
  }

  /** A sender as another process would have it. */
  newUploader(holder: string): Uploader {
    return new Uploader({
      clock: this.clock,
      random: () => 0.5,
      connect: () => this.#connect(),
      memory: this.store.uploads("server", holder),
      access: blockingSources,
      onNotice: (notice) => this.notices.push(notice),
    });
  }

  file(name: string, content: Uint8Array | string): string {
    const path = join(this.directory, name);
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, content);
    return path;
  }

  #connect(): Promise<{ connection: Connection }> {
    const failure = this.failures.shift();
    if (failure !== undefined) return Promise.reject(failure);
    const serve = this.#serves[this.connections++];
    if (serve === undefined) return Promise.reject(new CannotConnectError([]));
    const [client, server] = fakeDuplexPair();
    const connection = new Connection(client);
    connection.greeted();
    const side = new ServerSide(new Connection(server));
    this.served.push(serve(side).finally(() => side.connection.close()));
    return Promise.resolve({ connection });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.uploader[Symbol.asyncDispose]();
    await Promise.all(this.served);
    assertEquals(this.clock.waiting, 0, "a timer is left");
    this.store[Symbol.dispose]();
    await Deno.remove(this.directory, { recursive: true });
  }
}

/** Advances the clock while real file reads go on, until `done` settles. */
async function whileAdvancing<T>(clock: FakeClock, done: Promise<T>): Promise<T> {
  let settled = false;
  const watched = done.finally(() => settled = true);
  watched.catch(() => {}); // Looked at below.
  while (!settled) {
    await clock.advance(1_000);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return await watched;
}

function pattern(size: number): Uint8Array {
  return new Uint8Array(size).map((_, at) => (at * 31 + (at >> 8)) & 0xff);
}

for (const size of [0, 1, 65_535, 65_536, 65_537, 3_000_000]) {
  Deno.test(`Uploader sends a file of ${size} bytes exactly`, async () => {
    let taken: { bytes: Uint8Array; path: unknown } | undefined;
    await using stage = new Stage(async (side) => {
      taken = await side.takeFile();
      await side.frame("END");
    });
    const path = stage.file("report.pdf", pattern(size));
    const stored = await stage.uploader.send(path);
    assertEquals(taken?.path, ["report.pdf"]);
    assertEquals(taken?.bytes, pattern(size));
    assertEquals([stored.path, stored.as, stored.bytes], [path, "report.pdf", size]);
    assertEquals(stored.sha256, createHash("sha256").update(pattern(size)).digest("hex"));
  });
}

Deno.test("Uploader sends several files over one connection and tells each one's name", async () => {
  await using stage = new Stage(async (side) => {
    await side.takeFile("a (2).txt");
    await side.takeFile();
    await side.frame("END");
  });
  const first = await stage.uploader.send(stage.file("a.txt", "one"));
  const second = await stage.uploader.send(stage.file("b.txt", "two"));
  assertEquals([first.as, second.as, stage.connections], ["a (2).txt", "b.txt", 1]);
});

for (
  const [code, exitCode] of [["denied", 4], ["too_large", 4], ["no_space", 8], [
    "quota",
    8,
  ]] as const
) {
  Deno.test(`Uploader gives exit code ${exitCode} for REJECT ${code} and goes on`, async () => {
    await using stage = new Stage(async (side) => {
      const { id } = await side.frame("FILE");
      side.connection.send({ verb: "REJECT", id, code, reason: "Not today", retry: false });
      await side.takeFile();
      await side.frame("END");
    });
    const path = stage.file("a.txt", "one");
    const error = await assertRejects(() => stage.uploader.send(path), ClientError, "Not today");
    assertEquals([error.exitCode, error.code], [exitCode, code]);
    await stage.uploader.send(path);
    assertEquals(stage.connections, 1);
  });
}

Deno.test("[HB-66] Uploader stops at once at a REJECT in the middle of the bytes, and reconnects", async () => {
  let taken = 0;
  await using stage = new Stage(async (side) => {
    const { id } = await side.frame("FILE");
    side.connection.send({ verb: "READY", id, offset: 0 });
    taken = (await side.bytes(100_000)).length;
    side.connection.send({
      verb: "REJECT",
      id,
      code: "no_space",
      reason: "Disk full",
      retry: true,
    });
    // The rest is never read: the client has to notice the word while its writes stand still.
    await side.connection.flushed();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }, async (side) => {
    await side.takeFile();
    await side.frame("END");
  });
  const path = stage.file("big.bin", pattern(5_000_000));
  const error = await assertRejects(() => stage.uploader.send(path), ClientError, "Disk full");
  assertEquals([error.exitCode, error.code, taken], [8, "no_space", 100_000]);
  await stage.uploader.send(stage.file("small.txt", "x"));
  assertEquals(stage.connections, 2);
});

Deno.test("Uploader says how much had been sent when the connection is lost", async () => {
  await using stage = new Stage(async (side) => {
    const { id } = await side.frame("FILE");
    side.connection.send({ verb: "READY", id, offset: 0 });
    await side.bytes(2_000_000);
  });
  const path = stage.file("big.bin", pattern(5_000_000));
  const error = await assertRejects(
    () => whileAdvancing(stage.clock, stage.uploader.send(path)),
    ClientError,
  );
  assertEquals([error.exitCode, error.code], [9, "lost"]);
  assertStringIncludes(error.message, "MiB of 4.8 MiB had been sent");
  assertStringIncludes(error.hint ?? "", "Run the same command again");
  assert(stage.clock.now() > GIVE_UP_MS - 60_000 && stage.clock.now() < GIVE_UP_MS + 60_000);
  assertEquals(stage.notices.length, 1, "said once");
});

Deno.test("Uploader does not believe a STORED with another digest or size", async () => {
  for (const wrong of [{ sha256: "0".repeat(64), bytes: 3 }, { bytes: 4 }]) {
    await using stage = new Stage(async (side) => {
      const { id } = await side.frame("FILE");
      side.connection.send({ verb: "READY", id, offset: 0 });
      await side.bytes(3);
      const { sha256 } = await side.frame("SUM");
      side.connection.send({ verb: "STORED", id, as: "a.txt", sha256, ...wrong });
    });
    const path = stage.file("a.txt", "abc");
    const error = await assertRejects(() => stage.uploader.send(path), ClientError);
    assertEquals([error.exitCode, error.code], [6, "integrity"]);
  }
});

Deno.test("Uploader gives exit code 6 when the server finds another digest", async () => {
  await using stage = new Stage(async (side) => {
    const { id } = await side.frame("FILE");
    side.connection.send({ verb: "READY", id, offset: 0 });
    await side.bytes(3);
    await side.frame("SUM");
    side.connection.send({ verb: "REJECT", id, code: "hash", reason: "Other bytes", retry: true });
    await side.frame("END");
  });
  const path = stage.file("a.txt", "abc");
  const error = await assertRejects(() => stage.uploader.send(path), ClientError, "Other bytes");
  assertEquals([error.exitCode, error.code], [6, "hash"]);
});

Deno.test("[HB-65] Uploader cancels a file that was changed while it was sent, and goes on", async () => {
  let path = "";
  await using stage = new Stage(async (side) => {
    const { id } = await side.frame("FILE");
    side.connection.send({ verb: "READY", id, offset: 0 });
    await side.bytes(100_000);
    await Deno.writeFile(path, new Uint8Array([1]), { append: true });
    await side.bytes(4_900_000);
    assertEquals((await side.frame("CANCEL")).id, id);
    await side.takeFile();
    await side.frame("END");
  });
  path = stage.file("big.bin", pattern(5_000_000));
  const error = await assertRejects(() => stage.uploader.send(path), ClientError);
  assertEquals([error.exitCode, error.code], [7, "changed"]);
  await stage.uploader.send(stage.file("b.txt", "x"));
  assertEquals(stage.connections, 1);
});

Deno.test("Uploader ends the connection when the file became shorter", async () => {
  let path = "";
  await using stage = new Stage(async (side) => {
    const { id } = await side.frame("FILE");
    await Deno.truncate(path, 10);
    side.connection.send({ verb: "READY", id, offset: 0 });
    await assertRejects(() => side.bytes(5_000_000));
  });
  path = stage.file("big.bin", pattern(5_000_000));
  const error = await assertRejects(() => stage.uploader.send(path), ClientError);
  assertEquals([error.exitCode, error.code], [7, "changed"]);
});

Deno.test("Uploader refuses directories, missing files and bad names without connecting", async () => {
  await using stage = new Stage();
  const cases: [path: string, exitCode: number, code: string, words: string][] = [
    [stage.directory, 7, "unreadable", "it is a directory"],
    [join(stage.directory, "none"), 7, "unreadable", "there is no such file"],
  ];
  if (Deno.build.os !== "windows") {
    cases.push(["/dev/null", 7, "unreadable", "it is no regular file"]);
    cases.push([stage.file("a\nb", "x"), 4, "bad_name", "control character"]);
    cases.push([stage.file("nul.txt", "x"), 4, "bad_name", "device name"]);
  }
  for (const [path, exitCode, code, words] of cases) {
    const error = await assertRejects(() => stage.uploader.send(path), ClientError, words);
    assertEquals([error.exitCode, error.code], [exitCode, code]);
  }
  assertEquals(stage.connections, 0);
});

Deno.test("[HB-67] Uploader gives up after 60 s without progress (fault 18)", async () => {
  for (const ready of [false, true]) {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    await using stage = new Stage(async (side) => {
      const { id } = await side.frame("FILE");
      if (ready) side.connection.send({ verb: "READY", id, offset: 0 });
      await released; // Reads nothing more.
    });
    const path = stage.file("big.bin", pattern(3_000_000));
    const begin = stage.clock.now();
    const error = await assertRejects(
      () => whileAdvancing(stage.clock, stage.uploader.send(path)),
      ClientError,
    );
    release();
    assertEquals([error.exitCode, error.code], [9, "lost"]);
    assertStringIncludes(stage.notices[0] ?? "", "no byte moved for 60 s");
    assert(stage.clock.now() - begin >= TRANSFER_STALL_MS + GIVE_UP_MS - 60_000);
  }
});

Deno.test("Uploader waits longer for STORED than for bytes, and not for ever", async () => {
  await using stage = new Stage(async (side) => {
    const { id } = await side.frame("FILE");
    side.connection.send({ verb: "READY", id, offset: 0 });
    await side.bytes(3);
    await side.frame("SUM");
    assertEquals(await side.connection.readFrame().catch(() => null), null);
  });
  const path = stage.file("a.txt", "abc");
  const begin = stage.clock.now();
  const error = await assertRejects(
    () => whileAdvancing(stage.clock, stage.uploader.send(path)),
    ClientError,
  );
  assertEquals(error.code, "lost");
  assertStringIncludes(stage.notices[0] ?? "", "no byte moved for 300 s");
  assert(stage.clock.now() - begin >= VERIFY_LIMIT_MS);
});

Deno.test("[HB-67] Uploader waits longer for a server that compares a long prefix, and not for ever", async () => {
  const size = 20_000_000;
  await using stage = new Stage(async (side) => {
    const { id } = await side.frame("FILE");
    side.connection.send({ verb: "READY", id, offset: size });
    await side.frame("PREFIX");
    assertEquals(await side.connection.readFrame().catch(() => null), null);
  });
  const path = stage.file("a.bin", "");
  Deno.truncateSync(path, size);
  await assertRejects(() => whileAdvancing(stage.clock, stage.uploader.send(path)), ClientError);
  assertStringIncludes(stage.notices[0] ?? "", "no byte moved for 302 s");
});

Deno.test("Uploader waits for a busy server, says so once, and gives up after 60 s", async () => {
  await using stage = new Stage(async (side) => {
    await side.takeFile();
  });
  const path = stage.file("a.txt", "abc");
  const full = () => new RefusedError("full", "Cannot connect: too many files");
  stage.failures = [full(), full()];
  await whileAdvancing(stage.clock, stage.uploader.send(path));
  assertEquals(stage.notices.length, 1);
  stage.uploader.abort();
  stage.failures = Array.from({ length: 100 }, full);
  const error = await assertRejects(
    () => whileAdvancing(stage.clock, stage.uploader.send(path)),
    ClientError,
  );
  assertEquals([error.exitCode, error.code], [9, "full"]);
});

Deno.test("Uploader passes on BYE and REFUSE of the server in words", async () => {
  for (const verb of ["BYE", "REFUSE"] as const) {
    await using stage = new Stage(async (side) => {
      await side.frame("FILE");
      side.connection.send(
        verb === "BYE"
          ? { verb, reason: "shutdown" }
          : { verb, code: "revoked", reason: "You are out" },
      );
      await side.connection.flushed();
    });
    const path = stage.file("a.txt", "abc");
    const words = verb === "BYE" ? "the server said bye" : "You are out";
    const error = await assertRejects(
      () => whileAdvancing(stage.clock, stage.uploader.send(path)),
      ClientError,
    );
    assertStringIncludes(stage.notices[0] ?? "", words);
    assertEquals(error.exitCode, 9);
  }
});

Deno.test("Uploader tells how far it is", async () => {
  const seen: (string | undefined)[] = [];
  await using stage = new Stage(async (side) => {
    const { id } = await side.frame("FILE");
    side.connection.send({ verb: "READY", id, offset: 0 });
    await side.bytes(2_000_000);
    const { sent = 0, size, phase } = stage.uploader.progress ?? {};
    assert(sent >= 2_000_000 && size === 3_000_000, `${sent} of ${size}`);
    seen.push(phase);
    await side.bytes(1_000_000);
    const { sha256 } = await side.frame("SUM");
    seen.push(stage.uploader.progress?.phase);
    side.connection.send({ verb: "STORED", id, as: "big.bin", bytes: 3_000_000, sha256 });
    await side.frame("END");
  });
  await stage.uploader.send(stage.file("big.bin", pattern(3_000_000)));
  assertEquals(seen, ["sending", "verifying"]);
  assertEquals(stage.uploader.progress, undefined);
});

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const BIG = pattern(3_000_000);

/** Takes an offer that goes on at `offset`, and the rest of BIG. */
async function takeRest(side: ServerSide, offset: number): Promise<string> {
  const { id } = await side.frame("FILE");
  side.connection.send({ verb: "READY", id, offset });
  const prefix = await side.frame("PREFIX");
  assertEquals([prefix.offset, prefix.sha256], [offset, sha256Of(BIG.subarray(0, offset))]);
  side.connection.send({ verb: "READY", id, offset });
  assertEquals(await side.bytes(BIG.length - offset), BIG.subarray(offset));
  const { sha256 } = await side.frame("SUM");
  side.connection.send({ verb: "STORED", id, as: "big.bin", bytes: BIG.length, sha256 });
  return id;
}

Deno.test("[HB-111] Uploader goes on by itself after a lost connection, behind the prefix that both have", async () => {
  const ids: string[] = [];
  await using stage = new Stage(async (side) => {
    const { id } = await side.frame("FILE");
    ids.push(id);
    side.connection.send({ verb: "READY", id, offset: 0 });
    await side.bytes(2_000_000);
  }, async (side) => {
    ids.push(await takeRest(side, 1_900_000));
    await side.frame("END");
  });
  const path = stage.file("big.bin", BIG);
  const stored = await whileAdvancing(stage.clock, stage.uploader.send(path));
  assertEquals([stored.bytes, stored.sha256], [BIG.length, sha256Of(BIG)]);
  assertEquals(ids[0], ids[1]);
  assertEquals(stage.store.uploads("server", "x").find(path), undefined, "forgotten when done");
});

Deno.test("[HB-111] Uploader answers a smaller proposal, and starts over when none is agreed", async () => {
  await using stage = new Stage(async (side) => {
    const { id } = await side.frame("FILE");
    for (const offset of [2_000_000, 1_000_000]) {
      side.connection.send({ verb: "READY", id, offset });
      const prefix = await side.frame("PREFIX");
      assertEquals([prefix.offset, prefix.sha256], [offset, sha256Of(BIG.subarray(0, offset))]);
    }
    side.connection.send({ verb: "READY", id, offset: 0 });
    assertEquals(await side.bytes(BIG.length), BIG);
    const { sha256 } = await side.frame("SUM");
    side.connection.send({ verb: "STORED", id, as: "big.bin", bytes: BIG.length, sha256 });
    await side.frame("END");
  });
  const stored = await stage.uploader.send(stage.file("big.bin", BIG));
  assertEquals(stored.sha256, sha256Of(BIG));
  assertStringIncludes(stage.notices.join(), "starting over");
});

Deno.test("Uploader goes on under the same id in another process, unless the file has changed", async () => {
  const ids: string[] = [];
  await using stage = new Stage(async (side) => {
    const { id } = await side.frame("FILE");
    ids.push(id);
    side.connection.send({ verb: "READY", id, offset: 0 });
    await side.bytes(1_000_000);
    stage.uploader.abort();
  }, async (side) => {
    const { id } = await side.frame("FILE");
    ids.push(id);
    side.connection.send({ verb: "READY", id, offset: 0 });
    await side.bytes(1_000_000);
    second.abort();
  }, async (side) => {
    const { id } = await side.frame("CANCEL");
    ids.push(id);
    await side.takeFile();
    await side.frame("END");
  });
  const path = stage.file("big.bin", BIG);
  await assertRejects(() => stage.uploader.send(path), ClientError, "stopped");
  const second = stage.newUploader("second");
  await assertRejects(() => second.send(path), ClientError, "stopped");
  assertEquals([ids[0]], [ids[1]]);
  stage.file("big.bin", pattern(3_000_001));
  await using third = stage.newUploader("third");
  await third.send(path);
  assertEquals(ids[2], ids[0], "the old one is taken back");
  assertStringIncludes(stage.notices.join(), "has changed since; starting over");
});

Deno.test("[HB-113] Uploader believes STORED for an offer only of its own bytes", async () => {
  for (const isSame of [true, false]) {
    let ids: string[] = [];
    await using stage = new Stage(async (side) => {
      const { id } = await side.frame("FILE");
      ids = [id];
      const sha256 = isSame ? sha256Of(BIG) : "0".repeat(64);
      side.connection.send({ verb: "STORED", id, as: "big.bin", bytes: BIG.length, sha256 });
      if (!isSame) await side.takeFile("big (2).bin");
      await side.frame("END");
    });
    const stored = await stage.uploader.send(stage.file("big.bin", BIG));
    assertEquals(stored.already, isSame ? true : undefined);
    assertEquals(stored.as, isSame ? "big.bin" : "big (2).bin");
    assertEquals(stored.id === ids[0], isSame);
  }
});

Deno.test("[HB-114] Uploader leaves a file to whoever has taken it over", async () => {
  for (const isSaid of [true, false]) {
    await using stage = new Stage(async (side) => {
      const { id } = await side.frame("FILE");
      side.connection.send({ verb: "READY", id, offset: 0 });
      await side.bytes(1_000_000);
      const reject = { verb: "REJECT", id, code: "busy", reason: "Newer", retry: true } as const;
      if (isSaid) side.connection.send(reject);
      else {
        const upload = { id, kind: "file", size: BIG.length, mtime: 0 } as const;
        stage.store.uploads("server", "other").begin(path, upload);
      }
      await side.connection.flushed();
    });
    const path = stage.file("big.bin", BIG);
    const error = await assertRejects(
      () => whileAdvancing(stage.clock, stage.uploader.send(path)),
      ClientError,
      "another hbclient",
    );
    assertEquals([error.exitCode, error.code, stage.connections], [1, "replaced", 1]);
    const left = stage.store.uploads("server", "x").find(path);
    assert(left !== undefined, "what the other one remembers stays");
  }
});

Deno.test("[HB-116] Uploader offers again for as long as the server is busy, and says so once", async () => {
  await using stage = new Stage(async (side) => {
    for (let n = 0; n < 200; n++) {
      const { id } = await side.frame("FILE");
      side.connection.send({ verb: "REJECT", id, code: "busy", reason: "Wait", retry: true });
    }
    await side.takeFile();
    await side.frame("END");
  });
  await whileAdvancing(stage.clock, stage.uploader.send(stage.file("a.txt", "abc")));
  assertEquals([stage.notices.length, stage.connections], [1, 1]);
  assert(stage.clock.now() >= 200 * 1_000 && stage.clock.now() <= 200 * 6_000);
});

Deno.test("[HB-115] Uploader takes back what was stopped, over a connection of its own", async () => {
  const ids: string[] = [];
  await using stage = new Stage(async (side) => {
    const { id } = await side.frame("FILE");
    ids.push(id);
    side.connection.send({ verb: "READY", id, offset: 0 });
    await side.bytes(1_000_000);
    stage.uploader.abort();
  }, async (side) => {
    ids.push((await side.frame("CANCEL")).id);
    await side.frame("END");
  });
  const path = stage.file("big.bin", BIG);
  await assertRejects(() => stage.uploader.send(path), ClientError);
  assertEquals(await stage.uploader.cancel(), true);
  assertEquals(ids[0], ids[1]);
  assertEquals(stage.store.uploads("server", "x").find(path), undefined);
  assertEquals(await stage.uploader.cancel(), false, "nothing is left to be taken back");
});

/** A server's end that takes manifests. */
async function takeManifest(side: ServerSide): Promise<{ id: string; draft: ManifestDraft }> {
  const first = await side.frame("MANIFEST");
  const draft = new ManifestDraft(first.folder);
  assertEquals(draft.add(first.entries), undefined);
  for (let { last } = first; !last;) {
    const more = await side.frame("MANIFEST");
    assertEquals(draft.add(more.entries), undefined);
    last = more.last;
  }
  return { id: first.id, draft };
}

async function takeBundle(
  side: ServerSide,
  draft: ManifestDraft,
): Promise<Map<number, Uint8Array>> {
  const { items } = await side.frame("BUNDLE");
  const files = new Map<number, Uint8Array>();
  for (const [n, sha256] of items) {
    const bytes = await side.bytes(draft.files.get(n)?.size ?? NaN);
    assertEquals(sha256Of(bytes), sha256);
    files.set(n, bytes);
  }
  return files;
}

function bundled(id: string, stored: number[]): FrameOf<"BUNDLED"> {
  return { verb: "BUNDLED", id, stored, renamed: [], rejected: [] };
}

/** A folder with two small files, an empty folder, a link and one large file. */
function makeFolder(stage: Stage): string {
  const root = join(stage.directory, "photos");
  Deno.mkdirSync(join(root, "a"), { recursive: true });
  Deno.mkdirSync(join(root, "empty"));
  Deno.writeTextFileSync(join(root, "a", "one.txt"), "one");
  Deno.writeTextFileSync(join(root, "two.txt"), "two!");
  Deno.writeFileSync(join(root, "big.bin"), BIG);
  if (Deno.build.os !== "windows") Deno.symlinkSync("two.txt", join(root, "link"));
  return root;
}

async function sendFolder(uploader: Uploader, root: string) {
  const stored: StoredFile[] = [];
  const leftOut: LeftOut[] = [];
  const walked = await walkDirectory(root, { access: blockingSources });
  const result = await uploader.sendMany({
    path: root,
    key: root,
    folder: "photos",
    walked,
    onStored: (file) => stored.push(file),
    onLeftOut: (left) => leftOut.push(left),
  });
  return { result, stored, leftOut };
}

Deno.test("[HB-120] [HB-124] Uploader sends a folder: small files in a bundle, large ones by themselves", async () => {
  let seen: unknown;
  await using stage = new Stage(async (side) => {
    const { id, draft } = await takeManifest(side);
    side.connection.send({ verb: "READY", id, offset: 0, as: "photos (2)" });
    const files = await takeBundle(side, draft);
    seen = [
      [...files].map(([n, bytes]) => [draft.files.get(n)?.path, new TextDecoder().decode(bytes)]),
      draft.directories,
    ];
    side.connection.send(bundled(id, [...files.keys()]));
    const { id: item, manifest, path } = await side.frame("FILE");
    const [n = -1] = [...draft.files].find(([, { path }]) => path[0] === "big.bin") ?? [];
    assertEquals([item, manifest, path], [itemId(id, n), id, ["big.bin"]]);
    side.connection.send({ verb: "READY", id: item, offset: 0 });
    assertEquals(await side.bytes(BIG.length), BIG);
    const { sha256 } = await side.frame("SUM");
    side.connection.send({ verb: "STORED", id: item, as: "big.bin", bytes: BIG.length, sha256 });
    await side.frame("END");
  });
  const root = makeFolder(stage);
  const { result, stored, leftOut } = await sendFolder(stage.uploader, root);
  assertEquals(seen, [[[["a", "one.txt"], "one"], [["two.txt"], "two!"]], [["empty"]]]);
  assertEquals([result.as, result.stored, result.bytes], ["photos (2)", 3, BIG.length + 7]);
  assertEquals(stored.map(({ as }) => as), ["one.txt", "two.txt", "big.bin"]);
  if (Deno.build.os !== "windows") {
    assertEquals(leftOut.map(({ state, reason }) => [state, reason]), [
      ["skipped", "it is a symbolic link"],
    ]);
  }
  assertEquals(stage.store.uploads("server", "x").find(root), undefined);
});

Deno.test("[HB-122] Uploader announces an interrupted folder under the same id and numbers, and sends the rest", async () => {
  const seen: [string, ManifestDraft][] = [];
  await using stage = new Stage(async (side) => {
    const { id, draft } = await takeManifest(side);
    seen.push([id, draft]);
    side.connection.send({ verb: "READY", id, offset: 0, as: "photos" });
    side.connection.send(bundled(id, [...(await takeBundle(side, draft)).keys()]));
    await side.frame("FILE");
    stage.uploader.abort();
  }, async (side) => {
    const { id, draft } = await takeManifest(side);
    seen.push([id, draft]);
    side.connection.send({ verb: "READY", id, offset: 0, as: "photos" });
    const files = await takeBundle(side, draft);
    side.connection.send(bundled(id, [...files.keys()]));
    assertEquals([...files.values()].map((bytes) => new TextDecoder().decode(bytes)), ["changed"]);
    const { id: item } = await side.frame("FILE");
    side.connection.send({ verb: "REJECT", id: item, code: "io", reason: "Broken", retry: true });
    await side.frame("END");
  });
  const root = makeFolder(stage);
  await assertRejects(() => sendFolder(stage.uploader, root), ClientError, "stopped");
  Deno.writeTextFileSync(join(root, "two.txt"), "changed");
  await using second = stage.newUploader("second");
  const { result, leftOut } = await sendFolder(second, root);
  const [[firstId, first] = [], [secondId, draft] = []] = seen;
  assertEquals(firstId, secondId);
  const numbers = (of: ManifestDraft | undefined) =>
    Object.fromEntries([...(of?.files ?? [])].map(([n, { path }]) => [path.join("/"), n]));
  assertEquals(numbers(first), { "a/one.txt": 0, "big.bin": 1, "two.txt": 2 });
  assertEquals(numbers(draft), { "a/one.txt": 0, "big.bin": 1, "two.txt": 3 });
  assertEquals([result.stored, result.already, result.failed], [1, 1, 1]);
  assert(leftOut.some(({ code, reason }) => code === "io" && reason.includes("Broken")));
});

Deno.test("[HB-125] Uploader reports the files of a bundle that were refused, changed or cannot be read", async () => {
  await using stage = new Stage(async (side) => {
    const { id, draft } = await takeManifest(side);
    Deno.writeTextFileSync(join(root, "b"), "longer than it was");
    Deno.removeSync(join(root, "c"));
    side.connection.send({ verb: "READY", id, offset: 0, as: "many" });
    const files = await takeBundle(side, draft);
    const [kept = -1, refused = -1] = files.keys();
    side.connection.send({
      ...bundled(id, [kept]),
      renamed: [[kept, "a (2)"]],
      rejected: [[refused, "hash", "Other bytes"]],
    });
    await side.frame("END");
  });
  const root = join(stage.directory, "many");
  Deno.mkdirSync(root);
  for (const name of ["a", "b", "c", "d"]) Deno.writeTextFileSync(join(root, name), name);
  const { result, stored, leftOut } = await sendFolder(stage.uploader, root);
  assertEquals(stored.map(({ as }) => as), ["a (2)"]);
  assertEquals(leftOut.map(({ path, code }) => [path.slice(-1), code]), [
    ["b", "changed"],
    ["c", "unreadable"],
    ["d", "hash"],
  ]);
  assertEquals([result.stored, result.failed, [...result.exitCodes]], [1, 3, [7, 6]]);
});

Deno.test("[HB-121] Uploader refuses a folder in which two names would be one, with both in words", async () => {
  await using stage = new Stage();
  const root = join(stage.directory, "twins");
  Deno.mkdirSync(root);
  for (const name of ["A.txt", "a.txt"]) Deno.writeTextFileSync(join(root, name), name);
  if ([...Deno.readDirSync(root)].length < 2) return; // This file system does not even hold them.
  const error = await assertRejects(() => sendFolder(stage.uploader, root), ClientError);
  assertEquals([error.exitCode, error.code, stage.connections], [4, "bad_name", 0]);
  assertStringIncludes(error.message, '"A.txt" and "a.txt"');
});

Deno.test("[HB-121] Uploader leaves out names that the server would refuse, and sends the others", async () => {
  await using stage = new Stage(async (side) => {
    const { id, draft } = await takeManifest(side);
    assertEquals([...draft.files.values()].map(({ path }) => path), [["good"]]);
    side.connection.send({ verb: "READY", id, offset: 0, as: "names" });
    side.connection.send(bundled(id, [...(await takeBundle(side, draft)).keys()]));
    await side.frame("END");
  });
  if (Deno.build.os === "windows") return;
  const root = join(stage.directory, "names");
  Deno.mkdirSync(root);
  for (const name of ["good", "nul.txt", "a:b"]) Deno.writeTextFileSync(join(root, name), name);
  const { result, leftOut } = await sendFolder(stage.uploader, root);
  assertEquals([result.stored, result.failed, [...result.exitCodes]], [1, 2, [4]]);
  assertEquals(leftOut.map(({ code }) => code), ["bad_name", "bad_name"]);
});
