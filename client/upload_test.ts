import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { FakeClock } from "../platform/fake_clock.ts";
import { Connection, type FrameOf, TRANSFER_STALL_MS } from "../protocol/mod.ts";
import { fakeDuplexPair } from "../protocol/fake_duplex.ts";
import { ClientError, RefusedError } from "./client_error.ts";
import { Uploader, VERIFY_LIMIT_MS } from "./upload.ts";

type Serve = (session: ServerSide) => Promise<void>;

/** The receiver's end of one data connection. */
class ServerSide {
  readonly connection: Connection;

  constructor(connection: Connection) {
    this.connection = connection;
    connection.greeted();
  }

  async frame<V extends FrameOf<"FILE" | "SUM" | "CANCEL" | "END">["verb"]>(
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

  constructor(...serves: Serve[]) {
    this.#serves = serves;
    this.uploader = new Uploader({
      clock: this.clock,
      random: () => 0.5,
      connect: () => this.#connect(),
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
    const [client, server] = fakeDuplexPair();
    const serve = this.#serves[this.connections++];
    if (serve === undefined) throw new Error("Nobody serves this connection");
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
  const error = await assertRejects(() => stage.uploader.send(path), ClientError);
  assertEquals([error.exitCode, error.code], [9, "lost"]);
  assertStringIncludes(error.message, "MiB of 4.8 MiB had been sent");
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
    [stage.directory, 7, "unreadable", "directories are not supported yet"],
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

Deno.test("[HB-67] Uploader gives up after 60 s without progress", async () => {
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
    assertEquals([error.exitCode, error.code], [9, "stalled"]);
    assert(stage.clock.now() - begin >= TRANSFER_STALL_MS);
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
  assertEquals(error.code, "stalled");
  assert(stage.clock.now() - begin >= VERIFY_LIMIT_MS);
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
    const error = await assertRejects(() => stage.uploader.send(path), ClientError, words);
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
