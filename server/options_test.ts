import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { COMMON_OPTIONS } from "../platform/option_spec.ts";
import { helpText, parseCommandLine, UsageError } from "../platform/option_table.ts";
import { EXIT } from "./exit_code.ts";
import { HBSERVER, type InvocationOf, type ServerInvocation } from "./options.ts";
import { EVENT_KINDS } from "./store_record.ts";

const NO_SOURCES = {
  env: () => undefined,
  readTextFile: () => {
    throw Object.assign(new Error("not there"), { code: "ENOENT" });
  },
};

function parse(line: string, env: Record<string, string> = {}): ServerInvocation {
  const args = line === "" ? [] : line.split(" ");
  return parseCommandLine(HBSERVER, args, { ...NO_SOURCES, env: (name) => env[name] });
}

function parseAs<C extends string>(command: C, line: string): InvocationOf<C> {
  const invocation = parse(line);
  assertEquals(invocation.command, command as string);
  return invocation as InvocationOf<C>;
}

/** Asserts that a line is refused as wrong usage; its words and its hint. */
function refused(line: string): [message: string, hint: string] {
  const error = assertThrows(() => parse(line), UsageError);
  return [error.message, error.hint ?? ""];
}

Deno.test("without a word hbserver serves, with the contract's defaults", () => {
  const { options } = parseAs("run", "");
  assertEquals(options, {
    listen: { hostname: "0.0.0.0", port: 5001 },
    http: { hostname: "127.0.0.1", port: 5080 },
    plaintext: false,
    open: false,
    interval: 20_000,
    down: undefined,
    files: undefined,
    maxFileSize: undefined,
    quota: undefined,
    minFree: undefined,
    alert: [],
    alertPrivate: "on",
    notifyUrl: undefined,
    notifyEvery: 60_000,
    data: undefined,
    config: undefined,
    json: false,
    logLevel: "info",
    logFormat: "text",
    noColor: false,
  });
});

Deno.test("every option of run is read into its type", () => {
  const line = "run --listen 10.0.0.1:7 --http off --plaintext --open --interval 1s --down 3 " +
    "--files /srv --max-file-size 10M --quota 2G --min-free 0 --data /d --json --log-level debug --log-format json --no-color";
  const { options } = parseAs("run", line);
  assertEquals(options.listen, { hostname: "10.0.0.1", port: 7 });
  assertEquals([options.http, options.plaintext, options.open], ["off", true, true]);
  assertEquals([options.interval, options.down], [1_000, 3_000]);
  assertEquals([options.files, options.maxFileSize], ["/srv", 10 * 1024 * 1024]);
  assertEquals([options.quota, options.minFree], [2 * 1024 ** 3, 0]);
  assertEquals([options.data, options.json, options.noColor], ["/d", true, true]);
  assertEquals([options.logLevel, options.logFormat], ["debug", "json"]);
});

Deno.test("an address may leave out its host or its port", () => {
  assertEquals(parseAs("run", "--listen :7").options.listen, { hostname: "0.0.0.0", port: 7 });
  assertEquals(parseAs("run", "--listen 10.0.0.1").options.listen, {
    hostname: "10.0.0.1",
    port: 5001,
  });
  assertEquals(parseAs("run", "--http [::1]:9").options.http, { hostname: "::1", port: 9 });
});

Deno.test("invite reads its options, repeated ones in order", () => {
  const line =
    "invite --name till-3 --tag shop --tag north --uses 1 --ttl 2h --address a:1 --address b";
  const { options } = parseAs("invite", line);
  assertEquals([options.name, options.tag], ["till-3", ["shop", "north"]]);
  assertEquals([options.uses, options.ttl], [1, 7_200_000]);
  assertEquals(options.address, [{ hostname: "a", port: 1 }, { hostname: "b", port: 5001 }]);
  const { options: defaults } = parseAs("invite", "invite");
  assertEquals([defaults.name, defaults.tag, defaults.uses, defaults.ttl], [
    undefined,
    [],
    1,
    24 * 3_600_000,
  ]);
});

Deno.test("message takes WHO and the whole text", () => {
  const { arguments: words, options } = parseAs(
    "message",
    "message @shop please restart it --wait",
  );
  assertEquals([words.who, words.text], ["@shop", ["please", "restart", "it"]]);
  assertEquals(options.wait, true);
  assertEquals(parseAs("message", "message x -- --not an option").arguments.text, [
    "--not",
    "an",
    "option",
  ]);
});

Deno.test("log takes every kind of line, joined or repeated", () => {
  const { options, arguments: words } = parseAs("log", `log till-3 --kind ${EVENT_KINDS} --follow`);
  assertEquals([[...options.kind], words.who], [[...EVENT_KINDS], "till-3"]);
  assertEquals([options.follow, options.since], [true, undefined]);
  assertEquals(parseAs("log", "log --kind beat --kind state --since 2h").options.since, 7_200_000);
});

Deno.test("the other commands take what the contract says", () => {
  assertEquals(parseAs("clients", "clients --json").options.json, true);
  assertEquals(parseAs("files", "files till-3").arguments.who, "till-3");
  assertEquals(parseAs("files", "files").arguments.who, undefined);
  assertEquals(parseAs("alerts", "alerts --open").options.onlyOpen, true);
  assertEquals(parseAs("revoke", "revoke till-3").arguments.who, "till-3");
});

Deno.test("help and version are answered whatever else is said", () => {
  for (const line of ["--help", "help", "-h"]) {
    assertEquals(parse(line), { command: "help", about: undefined });
  }
  for (const line of ["message --help", "help message"]) {
    assertEquals(parse(line), { command: "help", about: "message" });
  }
  assertEquals(parse("--version"), { command: "version", json: false });
  assertEquals(parse("version --json"), { command: "version", json: true });
});

Deno.test("the environment sets what the command line does not", () => {
  const env = { HB_INTERVAL: "5s", HB_PLAINTEXT: "true", HB_MAX_FILE_SIZE: "1K", HB_USES: "7" };
  const run = parse("--interval 7s", env) as InvocationOf<"run">;
  assertEquals([run.options.interval, run.options.plaintext, run.options.maxFileSize], [
    7_000,
    true,
    1_024,
  ]);
  const invite = parse("invite", env) as InvocationOf<"invite">;
  assertEquals(invite.options.uses, 1, "what belongs to one call is not taken from there");
});

for (
  const [line, named, hint] of [
    ["--listne :7", "--listne", "--listen"],
    ["--plain-text", "--plain-text", "--plaintext"],
    ["clinets", '"clinets"', "hbserver clients"],
    ["--interval", "--interval", ""],
    ["--interval soon", "--interval", ""],
    ["--interval 50ms", "--interval", ""],
    ["--interval 2h", "--interval", ""],
    ["--listen :70000", "--listen", ""],
    ["--max-file-size lots", "--max-file-size", ""],
    ["--log-level loud", "--log-level", ""],
    ["invite --uses 0", "--uses", ""],
    ["invite --uses 1.5", "--uses", ""],
    ["invite --ttl 400d", "--ttl", ""],
    ["log --kind beats", "--kind", ""],
    ["message", "WHO", "Usage: hbserver message"],
    ["message till-3", "TEXT", "Usage: hbserver message"],
    ["revoke", "WHO", "Usage: hbserver revoke"],
    ["revoke a b", '"b"', "Usage: hbserver revoke"],
    ["clients --plaintext", "--plaintext", "hbserver clients --help"],
    ["alerts --wait", "--wait", "hbserver alerts --help"],
  ] as const
) {
  Deno.test(`"hbserver ${line}" is wrong usage and says what is wrong`, () => {
    const [message, given] = refused(line);
    assertStringIncludes(message, "Cannot");
    assertStringIncludes(message, named);
    assertStringIncludes(given, hint);
  });
}

Deno.test("the manual names every command and every option, with its variable", () => {
  const manual = helpText(HBSERVER);
  for (const command of Object.keys(HBSERVER.spec.commands)) {
    assertMatch(manual, new RegExp(`^  (${command}|\\[${command}\\])( |$)`, "m"));
  }
  for (const { name, variable } of HBSERVER.options) {
    assertStringIncludes(manual, `--${name}`);
    const settable = HBSERVER.options.some((option) =>
      option.name === name && option.spec.commandLineOnly !== true
    );
    assertEquals(manual.includes(`[${variable}]`), settable, variable);
  }
});

Deno.test("each command's page names its own options and no other command's", () => {
  for (const command of Object.keys(HBSERVER.spec.commands)) {
    const page = helpText(HBSERVER, command);
    for (const { name, key, spec } of HBSERVER.options) {
      const own = Object.hasOwn(COMMON_OPTIONS, key) || (spec.commands ?? []).includes(command);
      const twin = HBSERVER.options.some((other) =>
        other.name === name && other.key !== key && other.spec.commands?.includes(command)
      );
      if (!twin) assertEquals(page.includes(`  --${name}`), own, `${command} --${name}`);
    }
  }
});

Deno.test("the manual names every exit code, and the program uses no other", () => {
  const codes: readonly (readonly [number, string])[] = HBSERVER.spec.exitCodes;
  assertEquals(codes.map(([code]) => code), Object.values(EXIT));
  const manual = helpText(HBSERVER);
  for (const [code, meaning] of codes) {
    assertMatch(manual, new RegExp(`^  ${code} +${meaning}$`, "m"));
  }
});

Deno.test("every example of the manual can be run", () => {
  for (const [example] of HBSERVER.spec.examples) {
    const words = [...example.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) =>
      quoted ?? word ?? ""
    );
    assertEquals(words[0], "hbserver");
    const invocation = parseCommandLine(HBSERVER, words.slice(1), NO_SOURCES);
    assert(Object.hasOwn(HBSERVER.spec.commands, invocation.command), example);
  }
});
