import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { configureLogging, getLog } from "../../platform/log.ts";
import { UsageError } from "../../platform/usage_error.ts";
import { FakeWorld } from "./fake_world.ts";
import { CHECK_LIMIT_MS, parseNotifyUrl, WatchdogPing } from "./watchdog_ping.ts";

const MINUTE = 60_000;

class Place implements AsyncDisposable {
  readonly world = new FakeWorld();
  readonly clock = this.world.clock;
  readonly lines: string[] = [];
  readonly #log: Disposable;
  readonly #ping: WatchdogPing;

  constructor(check: () => Promise<string | undefined>) {
    const write = (line: string) => void this.lines.push(line);
    this.#log = configureLogging({ level: "info", format: "text", write, clock: this.clock });
    this.#ping = new WatchdogPing({
      clock: this.clock,
      log: getLog("watchdog"),
      fetch: this.world.fetch,
      url: parseNotifyUrl("https://hc.example.org/ping/Secret123"),
      everyMs: MINUTE,
      check,
    });
    this.#ping.start();
  }

  get pings(): number {
    return this.world.requests.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ping[Symbol.asyncDispose]();
    assertEquals(this.clock.waiting, 0);
    this.#log[Symbol.dispose]();
  }
}

Deno.test("a server that works pings by GET, at once and then every minute", async () => {
  await using place = new Place(() => Promise.resolve(undefined));
  await place.clock.advance(10 * MINUTE);
  assertEquals(place.pings, 11);
  const [first] = place.world.requests;
  assertEquals([first?.method, first?.url], ["GET", "https://hc.example.org/ping/Secret123"]);
  assertEquals(place.lines, []);
});

Deno.test("a server that does not truly work pings nobody, and says so once", async () => {
  let trouble: string | undefined;
  await using place = new Place(() => Promise.resolve(trouble));
  await place.clock.advance(MINUTE);
  trouble = "the database gives no answer within 5 s";
  await place.clock.advance(5 * MINUTE);
  assertEquals([place.pings, place.lines.length], [2, 1]);
  assertMatch(place.lines[0] ?? "", /ERROR.* hc\.example\.org is not pinged: the database gives/);
  trouble = undefined;
  await place.clock.advance(MINUTE);
  assertEquals([place.pings, place.lines.length], [3, 2]);
  assertMatch(place.lines[1] ?? "", /is pinged again/);
});

Deno.test("a ping that fails is told once for each change, without its address, and tried again", async () => {
  await using place = new Place(() => Promise.resolve(undefined));
  await place.clock.advance(0);
  place.world.answer = () => new Response("no such check: Secret123", { status: 404 });
  await place.clock.advance(5 * MINUTE);
  assertEquals([place.pings, place.lines.length], [6, 1]);
  assertMatch(place.lines[0] ?? "", /Cannot send to hc\.example\.org: it answered 404/);
  assert(!place.lines.join().includes("Secret123"));
});

Deno.test("checks that hang or throw stop the pings and nothing else", async () => {
  let check: () => Promise<string | undefined> = () => new Promise(() => {});
  await using place = new Place(() => check());
  await place.clock.advance(CHECK_LIMIT_MS);
  assertMatch(place.lines[0] ?? "", /its checks took longer than 15 s/);
  check = () => Promise.reject(new Error("odd"));
  await place.clock.advance(MINUTE);
  assertMatch(place.lines[1] ?? "", /its checks failed: odd/);
  check = () => Promise.resolve(undefined);
  await place.clock.advance(MINUTE);
  assertEquals(place.pings, 1);
});

Deno.test("parseNotifyUrl() takes http and https, and repeats nothing else", () => {
  assertEquals(parseNotifyUrl("http://127.0.0.1:3001/api/push/x").port, "3001");
  for (const text of ["Secret123", "ftp://Secret123/"]) {
    const { message } = assertThrows(() => parseNotifyUrl(text), UsageError);
    assert(!message.includes("Secret123"));
  }
});
