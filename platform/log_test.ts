import { assertEquals } from "@std/assert";
import { FakeClock } from "./fake_clock.ts";
import {
  configureLogging,
  getLog,
  type LogFormat,
  type LogLevel,
  MAX_LOGGED_CHARS,
} from "./log.ts";

/** Sets the log up, runs `say` and returns the lines. */
function lines(
  { level = "info", format = "text" }: { level?: LogLevel; format?: LogFormat },
  say: (clock: FakeClock) => void,
): string[] {
  const written: string[] = [];
  const clock = new FakeClock({ wall: Date.UTC(2026, 10, 22, 10, 0, 0, 123) });
  using _logging = configureLogging({ level, format, write: (line) => written.push(line), clock });
  say(clock);
  return written;
}

Deno.test("configureLogging() writes text lines with time, level, client and message", () => {
  const log = getLog("server", "session");
  assertEquals(
    lines({ level: "debug" }, (clock) => {
      log.info("connected from {address}", { client: "till-3", address: "10.0.0.7:4242" });
      clock.jumpWall(1000);
      log.warn("slow reader", { client: "till-3", queued: 12, verified: true, none: undefined });
      log.error("Cannot accept", {
        error: new Error("no descriptors", { cause: new Error("EMFILE") }),
      });
      log.debug`count ${3} of ${"x"}`;
      getLog().info("up");
    }),
    [
      "2026-11-22T10:00:00.123Z INFO  till-3: connected from 10.0.0.7:4242",
      "2026-11-22T10:00:01.123Z WARN  till-3: slow reader (queued=12, verified=true)",
      "2026-11-22T10:00:01.123Z ERROR server.session: Cannot accept (error=no descriptors < EMFILE)",
      "2026-11-22T10:00:01.123Z DEBUG server.session: count 3 of x",
      "2026-11-22T10:00:01.123Z INFO  up",
    ],
  );
});

Deno.test("configureLogging() writes JSON lines that hold every property", () => {
  const [line = "", second = ""] = lines({ format: "json" }, () => {
    getLog("server").warn("refused {name}", { client: "till-3", name: "x", n: 1, list: [1, 2] });
    getLog("server").error("failed", {
      error: Object.assign(new TypeError("outer", { cause: new Error("inner") }), { code: "E" }),
    });
  });
  assertEquals(JSON.parse(line), {
    at: "2026-11-22T10:00:00.123Z",
    level: "warn",
    category: "hb.server",
    message: "refused x",
    client: "till-3",
    name: "x",
    n: 1,
    list: [1, 2],
  });
  assertEquals(JSON.parse(second).error, {
    name: "TypeError",
    message: "outer",
    code: "E",
    causes: [{ name: "Error", message: "inner" }],
  });
});

Deno.test("configureLogging() keeps a hostile value on its line in both formats", () => {
  const hostile = "x\n2026-11-22T10:00:00.000Z INFO  fake\x1b[2J\u202e";
  const say = () =>
    getLog("a").info("got {text}", { client: hostile, text: hostile, [hostile]: hostile });
  const shown = "x\\x0a2026-11-22T10:00:00.000Z INFO  fake\\x1b[2J\\u202e";
  assertEquals(lines({}, say), [
    `2026-11-22T10:00:00.123Z INFO  ${shown}: got ${shown} (${shown}=${shown})`,
  ]);
  const [json = ""] = lines({ format: "json" }, say);
  assertEquals(["\n", "\x1b", "\u202e"].some((char) => json.includes(char)), false);
  assertEquals(JSON.parse(json).text, hostile);
});

Deno.test("configureLogging() does not let a property replace time, level or message", () => {
  const [line = ""] = lines({ format: "json" }, () => {
    getLog("a").info("real", { at: "never", level: "none", message: "fake", category: "x" });
  });
  assertEquals(JSON.parse(line), {
    at: "2026-11-22T10:00:00.123Z",
    level: "info",
    category: "hb.a",
    message: "real",
  });
});

Deno.test("configureLogging() writes nothing below its level", () => {
  const say = () => {
    const log = getLog("a");
    log.debug("debug");
    log.info("info");
    log.warn("warn");
    log.error("error");
  };
  assertEquals(lines({ level: "debug" }, say).length, 4);
  assertEquals(lines({ level: "info" }, say).length, 3);
  assertEquals(lines({ level: "warn" }, say).length, 2);
  assertEquals(lines({ level: "error" }, say).length, 1);
});

Deno.test("configureLogging() survives values that JSON cannot hold and bounds long ones", () => {
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  const say = () => getLog("a").info("odd", { circle, big: 10n, long: "x".repeat(3000) });
  const [text = ""] = lines({}, say);
  assertEquals(
    text,
    `2026-11-22T10:00:00.123Z INFO  a: odd (circle=[object Object], big="10", ` +
      `long=${"x".repeat(MAX_LOGGED_CHARS)}… (952 more))`,
  );
  const [json = ""] = lines({ format: "json" }, say);
  assertEquals(JSON.parse(json).message, "odd");
});

Deno.test("configureLogging() is undone when its result is disposed of", () => {
  const written = lines({}, () => {});
  getLog("a").error("nobody listens");
  assertEquals(written, []);
});
