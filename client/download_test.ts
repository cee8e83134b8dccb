import { assert, assertEquals, assertRejects } from "@std/assert";
import { DurableFileError } from "../platform/durable_file.ts";
import { FakeClock } from "../platform/fake_clock.ts";
import { type FrameOf, TRANSFER_STALL_MS } from "../protocol/mod.ts";
import { Download, type DownloadEnd, type PushOffer } from "./download.ts";
import { DownloadConnection, DownloadLostError } from "./download_connection.ts";
import { FakePushingServer, type ServePushes, sha256Of } from "./fake_pushing_server.ts";

const ID = "0191b4a0-0000-7000-8000-000000000001";
const OTHER = "0191b4a0-0000-7000-8000-000000000002";
const CONTENT = new Uint8Array(3000).map((_, at) => (at * 31 + (at >> 8)) & 0xff);
const OFFER: PushOffer = { id: ID, name: "a.bin", size: CONTENT.length, sha256: sha256Of(CONTENT) };

/** A staged file in memory. */
class FakeStaged {
  content: Uint8Array;
  readonly proposals: readonly number[];
  readonly calls: string[] = [];
  failWriteAt = Infinity;

  constructor(content: Uint8Array = new Uint8Array(), proposals: number[] = []) {
    this.content = content;
    this.proposals = proposals;
  }

  prefixSha256(offset: number): Promise<string> {
    this.calls.push(`prefix ${offset}`);
    return Promise.resolve(sha256Of(this.content.subarray(0, offset)));
  }

  continueAt(offset: number): Promise<void> {
    this.calls.push(`continue ${offset}`);
    this.content = this.content.slice(0, offset);
    return Promise.resolve();
  }

  write(chunk: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    if (this.content.length + chunk.length > this.failWriteAt) {
      return Promise.reject(new DurableFileError("no_space", "Cannot write: disk is full"));
    }
    this.content = new Uint8Array([...this.content, ...chunk]);
    return Promise.resolve(chunk);
  }

  settle(): Promise<void> {
    return this.#note("settle");
  }

  suspend(): Promise<number> {
    void this.#note("suspend");
    return Promise.resolve(this.content.length);
  }

  discard(): Promise<void> {
    return this.#note("discard");
  }

  #note(call: string): Promise<void> {
    this.calls.push(call);
    return Promise.resolve();
  }
}

/** One download from a served connection. */
async function fetchFrom(serve: ServePushes, { staged = new FakeStaged(), offer = OFFER } = {}) {
  const clock = new FakeClock();
  const server = new FakePushingServer(serve);
  const links: DownloadConnection[] = [];
  const { connection } = await server.connect({ onRead: () => links[0]?.heard() });
  const link = new DownloadConnection(connection, clock);
  links.push(link);
  const begun: number[] = [];
  const download = new Download(offer, {
    staged,
    publish: () => {
      staged.calls.push("publish");
      const { length: bytes } = staged.content;
      return Promise.resolve({ id: ID, as: "a.bin", path: "/a.bin", bytes, sha256: offer.sha256 });
    },
    record: () => staged.calls.push("record") > 0,
    onWritten: () => {},
    onBegin: (offset) => begun.push(offset),
    mayRepeat: true,
  });
  await download.prepare();
  const ending = download.run(link);
  const finish = async (): Promise<DownloadEnd> => {
    try {
      return await ending;
    } finally {
      link[Symbol.dispose]();
      await server.done();
      assertEquals(clock.waiting, 0, "a timer is left");
    }
  };
  return { staged, clock, begun, link, download, finish, server };
}

function refusalOf(end: DownloadEnd): Extract<DownloadEnd, { kind: "refused" }> {
  if (end.kind !== "refused") throw new Error(`Expected a refusal, got ${end.kind}`);
  return end;
}

Deno.test("Download fetches, publishes, records, settles and then says STORED", async () => {
  let answer: FrameOf<"STORED"> | FrameOf<"REJECT"> | undefined;
  const { staged, finish } = await fetchFrom(async (side) => {
    answer = await side.give(CONTENT);
  });
  const end = await finish();
  assertEquals(staged.content, CONTENT);
  assertEquals(staged.calls, ["continue 0", "publish", "record", "settle"]);
  assertEquals(end.kind, "stored");
  const { sha256, size: bytes } = OFFER;
  assertEquals(answer, { verb: "STORED", id: ID, as: "a.bin", bytes, sha256 });
});

Deno.test("Download goes on where both sides have the same bytes", async () => {
  const staged = new FakeStaged(CONTENT.slice(0, 2000), [2000, 1000]);
  const run = await fetchFrom(async (side) => {
    await side.give(CONTENT);
    assertEquals([side.offsets, side.sent], [[2000, 2000], 1000]);
  }, { staged });
  assertEquals((await run.finish()).kind, "stored");
  assertEquals([staged.content, run.begun], [CONTENT, [2000]]);
});

Deno.test("Download proposes less where the bytes differ, and goes on from there", async () => {
  const damaged = CONTENT.slice(0, 2000);
  damaged[1500] = (damaged[1500] ?? 0) ^ 1;
  const staged = new FakeStaged(damaged, [2000, 1000]);
  const { finish } = await fetchFrom(async (side) => {
    await side.give(CONTENT);
    assertEquals([side.offsets, side.sent], [[2000, 1000, 1000], 2000]);
  }, { staged });
  assertEquals((await finish()).kind, "stored");
  assertEquals(staged.content, CONTENT);
});

Deno.test("Download starts over when no proposal fits", async () => {
  const staged = new FakeStaged(new Uint8Array(2000), [2000, 1000]);
  const { finish } = await fetchFrom(async (side) => {
    await side.give(CONTENT);
    assertEquals([side.offsets, side.sent], [[2000, 1000, 0], 3000]);
  }, { staged });
  assertEquals((await finish()).kind, "stored");
  assertEquals(staged.content, CONTENT);
});

Deno.test("Download proposes nothing that is longer than the file", async () => {
  const staged = new FakeStaged(new Uint8Array(4000), [4000]);
  const { finish } = await fetchFrom(async (side) => {
    await side.give(CONTENT);
    assertEquals(side.offsets, [0]);
  }, { staged });
  assertEquals((await finish()).kind, "stored");
});

Deno.test("Download of a partial that is complete takes no byte", async () => {
  const staged = new FakeStaged(CONTENT.slice(), [3000]);
  const { finish } = await fetchFrom(async (side) => {
    await side.give(CONTENT);
    assertEquals(side.sent, 0);
  }, { staged });
  assertEquals((await finish()).kind, "stored");
});

Deno.test("Download answers PING", async () => {
  const { finish } = await fetchFrom(async ({ connection, ...side }) => {
    connection.send({ verb: "PING", n: 7 });
    assertEquals((await connection.readFrame())?.verb, "FETCH");
    assertEquals(await connection.readFrame(), { verb: "PONG", n: 7 });
    assertEquals(side.sent, 0);
    connection.send({ verb: "REJECT", id: ID, code: "busy", reason: "later", retry: true });
  });
  assertEquals(await finish(), { kind: "busy" });
});

for (
  const [code, retry] of [["denied", false], ["io", false], ["io", true]] as const
) {
  Deno.test(`Download ends when the server says ${code}, retry ${retry}`, async () => {
    const { staged, finish } = await fetchFrom(async (side) => {
      await side.frame("FETCH");
      side.connection.send({ verb: "REJECT", id: ID, code, reason: "so", retry });
    });
    assertEquals(await finish(), { kind: "withheld", reason: "so", retry });
    assertEquals(staged.calls, retry ? [] : ["discard"]);
  });
}

for (const moment of ["before", "after"] as const) {
  Deno.test(`Download drops what it has on CANCEL ${moment} the bytes`, async () => {
    const { staged, finish } = await fetchFrom(async (side) => {
      if (moment === "before") await side.frame("FETCH");
      else {
        await side.agree(CONTENT);
        await side.send(CONTENT);
      }
      side.connection.send({ verb: "CANCEL", id: ID });
    });
    const end = await finish();
    assertEquals([end.kind, staged.calls.at(-1)], ["withheld", "discard"]);
    assert(!staged.calls.includes("publish"));
  });
}

Deno.test("Download refuses a SUM that is not the digest that was offered", async () => {
  const other = CONTENT.slice();
  other[0] = 255;
  const { staged, finish } = await fetchFrom(async (side) => {
    const { verb, ...rest } = await side.give(other);
    assertEquals([verb, rest], ["REJECT", {
      id: ID,
      code: "hash",
      reason: "The bytes that arrived are not those that were offered (SHA-256 differs)",
      retry: true,
    }]);
  });
  const { code } = refusalOf(await finish());
  assertEquals([code, staged.calls.at(-1)], ["hash", "discard"]);
});

Deno.test("Download says no_space in the middle of the bytes, with what is kept, and closes", async () => {
  const staged = new FakeStaged();
  staged.failWriteAt = 2_500_000;
  const content = new Uint8Array(4_000_000);
  const offer = { ...OFFER, size: content.length, sha256: sha256Of(content) };
  const { link, finish } = await fetchFrom(async (side) => {
    const { id } = await side.agree(content);
    const sending = side.send(content).catch(() => {}); // The client closes meanwhile.
    const { code, retry, offset } = await side.frame("REJECT");
    assertEquals([id, code, retry, offset], [ID, "no_space", true, staged.content.length]);
    await sending;
  }, { staged, offer });
  const { code } = refusalOf(await finish());
  assertEquals([code, link.closed], ["no_space", true]);
  assert(!staged.calls.includes("discard"));
});

const BREACHES: [string, ServePushes][] = [
  ["READY with another offset", async (side) => {
    await side.frame("FETCH");
    side.connection.send({ verb: "READY", id: ID, offset: 5 });
  }],
  ["PREFIX that nobody asked for", async (side) => {
    await side.frame("FETCH");
    side.connection.send({ verb: "PREFIX", id: ID, offset: 0, sha256: OFFER.sha256 });
  }],
  ["SUM of another length", async (side) => {
    await side.agree(CONTENT);
    await side.send(CONTENT);
    side.connection.send({ verb: "SUM", id: ID, bytes: 1, sha256: OFFER.sha256 });
  }],
  ["SUM of another transfer", async (side) => {
    await side.agree(CONTENT);
    await side.send(CONTENT);
    side.sum(OTHER, CONTENT);
  }],
  ["one byte too many", async (side) => {
    await side.agree(CONTENT);
    await side.send(CONTENT);
    await side.send(new TextEncoder().encode("X"));
    side.sum(ID, CONTENT);
    await side.connection.readFrame(); // Until the client closes.
  }],
  ["surplus bytes", async (side) => {
    await side.agree(CONTENT);
    await side.send(CONTENT);
    await side.send(new TextEncoder().encode("STORED or not\n"));
  }],
  ["fewer bytes", async (side) => {
    await side.agree(CONTENT);
    await side.send(CONTENT.subarray(0, 100));
  }],
  ["BYE", (side) => {
    side.connection.send({ verb: "BYE", reason: "shutdown" });
    return side.connection.flushed();
  }],
  ["REFUSE", (side) => {
    side.connection.send({ verb: "REFUSE", code: "closed", reason: "no" });
    return side.connection.flushed();
  }],
  ["the end of the stream", () => Promise.resolve()],
];

for (const [what, serve] of BREACHES) {
  Deno.test(`Download counts ${what} as a lost connection and publishes nothing`, async () => {
    const { staged, finish } = await fetchFrom(serve);
    await assertRejects(finish, DownloadLostError);
    assert(!staged.calls.includes("publish") && !staged.calls.includes("discard"));
  });
}

Deno.test("Download gives up when no byte comes for a minute (fault 18)", async () => {
  const { clock, finish } = await fetchFrom(async (side) => {
    await side.agree(CONTENT);
    await side.send(CONTENT.subarray(0, 100));
    await side.connection.readFrame().catch(() => {}); // Until the client closes.
  });
  const ending = assertRejects(finish, DownloadLostError, "no byte came for 60 s");
  await clock.advance(TRANSFER_STALL_MS - 1);
  await clock.advance(1);
  await ending;
});

Deno.test("Download leaves a server time to read a long prefix, and not for ever", async () => {
  const size = 2 ** 40;
  const staged = new FakeStaged(new Uint8Array(1), [size / 2]);
  const { clock, finish } = await fetchFrom(async (side) => {
    await side.frame("FETCH");
    await side.connection.readFrame().catch(() => {}); // Until the client closes.
  }, { staged, offer: { ...OFFER, size } });
  let lost = false;
  const ending = finish().catch((error) => {
    assert(error instanceof DownloadLostError);
    lost = true;
  });
  await clock.advance(10 * TRANSFER_STALL_MS);
  assert(!lost);
  await clock.advance(24 * 3_600_000);
  await ending;
  assert(lost);
});
