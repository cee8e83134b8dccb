import { assertEquals, assertThrows } from "@std/assert";
import { parseMessagesOptions } from "./messages_options.ts";

const names = ["hb-tls", "mosquitto"];

Deno.test("parseMessagesOptions() runs everything unless something is named", () => {
  const options = parseMessagesOptions([], names);
  assertEquals(options.cases, ["one", "one-64", "many", "many-4"]);
  assertEquals(options.contestants, names);
  assertEquals([options.rounds, options.seconds, options.quick], [3, 4, false]);
  assertEquals([options.scratch, options.out], ["/var/tmp", "dist/bench"]);
});

Deno.test("parseMessagesOptions() narrows cases and contestants independently by --only", () => {
  const { cases, contestants } = parseMessagesOptions(["--only", "many,hb-tls"], names);
  assertEquals({ cases, contestants }, { cases: ["many"], contestants: ["hb-tls"] });
});

Deno.test("parseMessagesOptions() makes one short round of --quick", () => {
  const { rounds, seconds } = parseMessagesOptions(["--quick", "--rounds", "9"], names);
  assertEquals([rounds, seconds], [1, 0.5]);
});

Deno.test("parseMessagesOptions() refuses names, rounds and seconds that there are not", () => {
  assertThrows(() => parseMessagesOptions(["--only", "amqp"], names), Error, 'it is "amqp"');
  for (const option of ["--rounds", "--seconds"]) {
    for (const value of ["0", "1.5", "601", "many"]) {
      assertThrows(() => parseMessagesOptions([option, value], names), Error, `it is "${value}"`);
    }
  }
  assertEquals(parseMessagesOptions(["--seconds", "600"], names).seconds, 600);
});
