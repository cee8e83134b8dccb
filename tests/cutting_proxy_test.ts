/** The proxy of these tests itself: what it forwards, counts and cuts. */

import { assert, assertEquals, assertLess } from "@std/assert";
import { type CutKind, CuttingProxy } from "./cutting_proxy.ts";
import { sampleBytes, sha256 } from "./sample_file.ts";
import { until } from "./until.ts";

const MB = 1_000_000;

/** A listener that keeps what one connection sends, and how that ended. */
class Sink implements AsyncDisposable {
  readonly chunks: Uint8Array[] = [];
  /** How the connection ended: `end`, or the name of an error; undefined while it goes on. */
  ended: string | undefined;
  readonly port: number;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #serving: Promise<void>;
  #conn: Deno.Conn | undefined;

  constructor() {
    this.port = this.#listener.addr.port;
    this.#serving = this.#serve();
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.chunks.flatMap((chunk) => [...chunk]));
  }

  get count(): number {
    return this.chunks.reduce((sum, { length }) => sum + length, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.#conn?.close();
    await this.#serving;
  }

  async #serve(): Promise<void> {
    try {
      this.#conn = await this.#listener.accept();
      const buffer = new Uint8Array(65_536);
      while (true) {
        const count = await this.#conn.read(buffer);
        if (count === null) break;
        this.chunks.push(buffer.slice(0, count));
      }
      this.ended = "end";
      await this.#conn.write(new TextEncoder().encode("over"));
      await this.#conn.closeWrite();
    } catch (error) {
      this.ended = error instanceof Error ? error.name : String(error);
    }
  }
}

async function dial({ address }: CuttingProxy): Promise<Deno.Conn> {
  return await Deno.connect({ hostname: "127.0.0.1", port: Number(address.split(":")[1]) });
}

async function send(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

Deno.test("CuttingProxy forwards both ways, half-closed connections included, and counts every byte", async () => {
  await using sink = new Sink();
  await using proxy = await CuttingProxy.start(sink.port);
  using conn = await dial(proxy);
  const bytes = sampleBytes(3 * MB);
  await send(conn, bytes);
  await conn.closeWrite();
  assertEquals(await new Response(conn.readable).text(), "over");
  assertEquals(sha256(sink.bytes), sha256(bytes));
  assertEquals(proxy.passed, { toServer: bytes.length, toClient: 4 });
});

const ENDS: Record<CutKind, string | undefined> = {
  reset: "ConnectionReset",
  end: "end",
  silence: undefined,
};

for (const [kind, end] of Object.entries(ENDS) as [CutKind, string | undefined][]) {
  Deno.test(`CuttingProxy cuts by ${kind} after exactly the given bytes`, async () => {
    await using sink = new Sink();
    await using proxy = await CuttingProxy.start(sink.port);
    proxy.at(MB + 7, () => proxy.cut(kind));
    using conn = await dial(proxy);
    let refused: unknown;
    await send(conn, sampleBytes(40 * MB)).catch((error) => refused = error);
    assert(refused instanceof Error, "the client hears of it");
    if (end !== undefined) await until(() => sink.ended, { what: "the end", everyMs: 5 });
    assertEquals(sink.ended, end);
    assertEquals(proxy.passed.toServer, MB + 7);
    assertLess(sink.count, MB + 8);
    assertEquals(proxy.open, 0);
  });
}

Deno.test("CuttingProxy holds a connection up at a place until it is released", async () => {
  await using sink = new Sink();
  await using proxy = await CuttingProxy.start(sink.port);
  const hold = proxy.holdAt(MB);
  using conn = await dial(proxy);
  const sending = send(conn, sampleBytes(20 * MB)).then(() => conn.closeWrite());
  await hold.reached;
  await until(() => sink.count === MB, { what: () => `a megabyte, not ${sink.count}` });
  assertEquals(proxy.passed.toServer, MB);
  hold.release();
  await sending;
  await until(() => sink.ended, { what: "the end" });
  assertEquals(sink.count, 20 * MB);
});
