import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type CommandLineSources,
  defineProgram,
  helpText,
  parseCommandLine,
  UsageError,
} from "./option_table.ts";

const program = defineProgram({
  name: "hbtest",
  summary: "a program for tests",
  description: [
    "It has one option of each kind and a description that is long enough to be wrapped.",
  ],
  defaultCommand: "run",
  commands: {
    run: { summary: "serve" },
    message: {
      summary: "send a message",
      arguments: [{ name: "WHO", required: true }, {
        name: "TEXT",
        required: true,
        repeatable: true,
      }],
    },
    alerts: { summary: "list alerts" },
    ack: {
      summary: "acknowledge",
      arguments: [{ name: "WHO", required: true }, { name: "NOTE" }],
    },
    service: {
      summary: "the service",
      arguments: [{ name: "ACTION", required: true, choices: ["install", "status"] }],
    },
  },
  options: {
    listen: {
      kind: "address",
      help: "Where to listen.",
      commands: ["run"],
      default: "0.0.0.0:5001",
      defaultHostname: "0.0.0.0",
      defaultPort: 5001,
    },
    http: {
      kind: "address",
      help: "The local interface.",
      commands: ["run"],
      default: "127.0.0.1:5080",
      allowOff: true,
      defaultHostname: "127.0.0.1",
    },
    plaintext: { kind: "flag", help: "No TLS.", commands: ["run"] },
    open: { kind: "flag", help: "No proof is asked for.", commands: ["run"] },
    onlyOpen: {
      kind: "flag",
      name: "open",
      help: "Only open ones.",
      commands: ["alerts"],
      commandLineOnly: true,
    },
    maxFileSize: { kind: "size", help: "Largest file.", commands: ["run"], placeholder: "SIZE" },
    interval: {
      kind: "number",
      help: "Seconds between beats.",
      commands: ["run"],
      default: "20",
      min: 1,
      max: 3600,
    },
    ttl: { kind: "duration", help: "How long.", commands: ["run"], default: "24h", min: 1000 },
    alert: { kind: "text", help: "Where to send.", commands: ["run"], repeatable: true },
    only: {
      kind: "choice",
      help: "Which.",
      commands: ["run", "alerts"],
      choices: ["beat", "state", "file"],
      repeatable: true,
    },
  },
  exitCodes: [[0, "done"], [2, "usage"]],
  examples: [["hbtest message till-3 hello", "Sends a word."]],
});

function sources(
  { env = {}, files = {} }: { env?: Record<string, string>; files?: Record<string, string> } = {},
): CommandLineSources {
  return {
    env: (name) => env[name],
    readTextFile: (path) => {
      const text = files[path];
      if (text === undefined) {
        throw Object.assign(new Error("no such file"), { code: "ENOENT" });
      }
      return text;
    },
  };
}

function parse(args: string[], around: Parameters<typeof sources>[0] = {}) {
  return parseCommandLine(program, args, sources(around));
}

type Parsed = ReturnType<typeof parse>;

/** The invocation as one of `command`, or a failure. */
function as<C extends Parsed["command"]>(invocation: Parsed, command: C) {
  assertEquals(invocation.command, command);
  return invocation as Extract<Parsed, { command: C }>;
}

/** Parses a call of `run` and returns its options. */
function run(args: string[], around: Parameters<typeof sources>[0] = {}) {
  return as(parse(args, around), "run").options;
}

/** The message and hint with which `args` are refused. */
function refusal(args: string[], around: Parameters<typeof sources>[0] = {}): [string, string?] {
  const error = assertThrows(() => parse(args, around), UsageError);
  assertEquals(error.name, "UsageError");
  return error.hint === undefined ? [error.message] : [error.message, error.hint];
}

Deno.test("parseCommandLine() gives every option of the default command its default", () => {
  assertEquals(run([]), {
    listen: { hostname: "0.0.0.0", port: 5001 },
    http: { hostname: "127.0.0.1", port: 5080 },
    plaintext: false,
    open: false,
    maxFileSize: undefined,
    interval: 20,
    ttl: 86_400_000,
    alert: [],
    only: [],
    data: undefined,
    config: undefined,
    json: false,
    logLevel: "info",
    logFormat: "text",
    noColor: false,
  });
});

Deno.test("parseCommandLine() infers types from the table", () => {
  const invocation = parse([]);
  if (invocation.command === "run") {
    const port: number = invocation.options.listen.port;
    const http: "off" | { port: number } = invocation.options.http;
    const size: number | undefined = invocation.options.maxFileSize;
    const only: readonly ("beat" | "state" | "file")[] = invocation.options.only;
    const level: "debug" | "info" | "warn" | "error" = invocation.options.logLevel;
    // @ts-expect-error: the option may be absent.
    const always: number = invocation.options.maxFileSize;
    assertEquals([port, typeof http, size, only, level, always], [
      5001,
      "object",
      undefined,
      [],
      "info",
      undefined,
    ]);
  }
  if (invocation.command === "message") {
    const text: readonly string[] = invocation.arguments.text;
    // @ts-expect-error: --listen belongs to run alone.
    assertEquals(invocation.options.listen, text);
  }
  if (invocation.command === "service") {
    const action: "install" | "status" = invocation.arguments.action;
    assertEquals(action, "status");
  }
  assertEquals(invocation.command, "run");
});

Deno.test("parseCommandLine() reads a value of each kind", () => {
  const options = run([
    ...["run", "--listen", "[::1]:0", "--http=off", "--plaintext", "--max-file-size", "10M"],
    ...[
      "--interval",
      "1.5",
      "--ttl",
      "1h30m",
      "--alert",
      "a",
      "--alert=b=c",
      "--only",
      "beat,file",
    ],
    ...["--only", "state", "--data", "d", "--log-level", "debug", "--no-color", "--open=false"],
  ]);
  assertEquals(options.listen, { hostname: "::1", port: 0 });
  assertEquals(options.http, "off");
  assertEquals([options.plaintext, options.open, options.noColor], [true, false, true]);
  assertEquals([options.maxFileSize, options.interval, options.ttl], [10_485_760, 1.5, 5_400_000]);
  assertEquals(options.alert, ["a", "b=c"]);
  assertEquals(options.only, ["beat", "file", "state"]);
  assertEquals([options.data, options.logLevel], ["d", "debug"]);
});

Deno.test("parseCommandLine() takes options before, between and after words", () => {
  for (
    const args of [
      ["--json", "message", "all", "true", "story"],
      ["message", "--json", "all", "true", "story"],
      ["message", "all", "true", "story", "--json"],
      ["message", "all", "true", "--json", "--", "story"],
    ]
  ) {
    const invocation = as(parse(args), "message");
    assertEquals(invocation.arguments, { who: "all", text: ["true", "story"] });
    assertEquals(invocation.options.json, true);
  }
});

Deno.test("parseCommandLine() does not take the word after a flag for its value", () => {
  for (const word of ["false", "true", "0", ""]) {
    const invocation = as(parse(["message", "all", "--json", word, "x"]), "message");
    assertEquals(invocation.arguments.text, [word, "x"]);
    assertEquals(invocation.options.json, true);
  }
});

Deno.test("parseCommandLine() leaves everything after -- alone", () => {
  const invocation = as(parse(["message", "all", "--", "-5", "--json", "--", "-h"]), "message");
  assertEquals(invocation.arguments.text, ["-5", "--json", "--", "-h"]);
  assertEquals(invocation.options.json, false);
});

Deno.test("parseCommandLine() leaves numbers, dashes and odd keys in words alone", () => {
  const invocation = as(
    parse(["message", "all", "007", "1e3", "-", "a=b", "__proto__", ""]),
    "message",
  );
  assertEquals(invocation.arguments.text, ["007", "1e3", "-", "a=b", "__proto__", ""]);
});

Deno.test("parseCommandLine() lets optional arguments be missing", () => {
  const invocation = as(parse(["ack", "till-3"]), "ack");
  assertEquals(invocation.arguments, { who: "till-3", note: undefined });
});

Deno.test("parseCommandLine() prefers command line to environment to file to default", () => {
  const around = {
    env: { HB_INTERVAL: "3", HB_CONFIG: "c.toml" },
    files: { "c.toml": `interval = 4\nttl = 90\n` },
  };
  assertEquals(run(["--interval", "2"], around).interval, 2);
  assertEquals(run([], around).interval, 3);
  assertEquals(run([], { files: around.files, env: { HB_CONFIG: "c.toml" } }).interval, 4);
  assertEquals(run([], around).ttl, 90_000);
  assertEquals(run([]).interval, 20);
  assertEquals(run(["--config", "c.toml"], { files: around.files }).interval, 4);
});

Deno.test("parseCommandLine() reads each kind from the environment", () => {
  const options = run([], {
    env: {
      HB_PLAINTEXT: "1",
      HB_OPEN: "no",
      HB_MAX_FILE_SIZE: "2GiB",
      HB_ALERT: " a  b ",
      HB_ONLY: "beat,file",
      HB_HTTP: "off",
      HB_DATA: "",
      HB_HELP: "1",
    },
  });
  assertEquals([options.plaintext, options.open], [true, false]);
  assertEquals(options.maxFileSize, 2 * 1024 ** 3);
  assertEquals([options.alert, options.only], [["a", "b"], ["beat", "file"]]);
  assertEquals([options.http, options.data], ["off", undefined]);
});

Deno.test("parseCommandLine() reads each kind from the file", () => {
  const options = run(["--config", "f"], {
    files: {
      f: `listen = ":6000"\nplaintext = true\nmax-file-size = 4096\ninterval = 5\n` +
        `ttl = "2h"\nalert = ["a", "b c"]\nonly = "state"\nlog-level = "warn"\n`,
    },
  });
  assertEquals(options.listen, { hostname: "0.0.0.0", port: 6000 });
  assertEquals([options.plaintext, options.interval, options.logLevel], [true, 5, "warn"]);
  assertEquals([options.maxFileSize, options.ttl], [4096, 7_200_000]);
  assertEquals([options.alert, options.only], [["a", "b c"], ["state"]]);
});

Deno.test("parseCommandLine() reads the default file when there is one", () => {
  const asked: (string | undefined)[] = [];
  const around = (files: Record<string, string>): CommandLineSources => ({
    ...sources({ files, env: { HB_DATA: "from-env" } }),
    defaultConfigFile: (data) => {
      asked.push(data);
      return `${data}/hbtest.toml`;
    },
  });
  const interval = (args: string[], files: Record<string, string>) => {
    return as(parseCommandLine(program, args, around(files)), "run").options.interval;
  };
  assertEquals(interval([], { "from-env/hbtest.toml": "interval = 7" }), 7);
  assertEquals(interval(["--data", "d"], { "d/hbtest.toml": "interval = 8" }), 8);
  assertEquals(interval([], {}), 20);
  assertEquals(interval(["--config", "c"], { c: "", "from-env/hbtest.toml": "x" }), 20);
  assertEquals(asked, ["from-env", "d", "from-env"]);
});

Deno.test("parseCommandLine() gives one name to different commands", () => {
  const alerts = as(parse(["alerts", "--open"], { env: { HB_OPEN: "nonsense" } }), "alerts");
  assertEquals(alerts.options.onlyOpen, true);
  assertEquals(run(["--open"]).open, true);
});

Deno.test("parseCommandLine() answers help and version before anything else is checked", () => {
  const broken = { env: { HB_CONFIG: "missing", HB_INTERVAL: "x" } };
  assertEquals(parse(["--help"], broken), { command: "help", about: undefined });
  assertEquals(parse(["-h"], broken), { command: "help", about: undefined });
  assertEquals(parse(["help", "message"], broken), { command: "help", about: "message" });
  assertEquals(parse(["message", "--help"], broken), { command: "help", about: "message" });
  assertEquals(parse(["--version"], broken), { command: "version", json: false });
  assertEquals(parse(["version", "--json"], broken), { command: "version", json: true });
});

Deno.test("parseCommandLine() names what is unknown and suggests the nearest", () => {
  assertEquals(refusal(["--lisen", ":1"]), [
    'Cannot use "--lisen": hbtest has no such option',
    "Did you mean --listen?",
  ]);
  assertEquals(refusal(["--frobnicate=1"]), [
    'Cannot use "--frobnicate=1": hbtest has no such option',
    "See hbtest --help",
  ]);
  assertEquals(refusal(["--__proto__"])[0], 'Cannot use "--__proto__": hbtest has no such option');
  assertEquals(refusal(["mesage", "x"]), [
    'Cannot run "mesage": hbtest has no such command',
    "Did you mean hbtest message?",
  ]);
  assertEquals(refusal(["constructor"]), [
    'Cannot run "constructor": hbtest has no such command',
    "See hbtest --help",
  ]);
  assertEquals(refusal(["message", "all", "-5"]), [
    'Cannot use "-5": hbtest has no such option',
    "Write -- before words that begin with a dash",
  ]);
  assertEquals(
    refusal(["--\x1b[2J\u202e"])[0],
    'Cannot use "--\\x1b[2J\\u202e": hbtest has no such option',
  );
});

Deno.test("parseCommandLine() names the option, the value and what is accepted", () => {
  const cases: [string[], string][] = [
    [
      ["--listen", "5001"],
      'Cannot use "5001" for --listen: it takes an address such as HOST:PORT, [IPV6]:PORT, :PORT or HOST',
    ],
    [
      ["--http", "on"],
      'Cannot use "on" for --http: it takes an address such as HOST:PORT, [IPV6]:PORT, :PORT or HOST, or off',
    ],
    [
      ["--max-file-size", "12x"],
      'Cannot use "12x" for --max-file-size: it takes a size such as 65536, 10M or 2GiB',
    ],
    [["--interval", "0"], 'Cannot use "0" for --interval: it takes a number from 1 to 3600'],
    [["--interval", "-5"], 'Cannot use "-5" for --interval: it takes a number from 1 to 3600'],
    [
      ["--ttl", "1ms"],
      'Cannot use "1ms" for --ttl: it takes a time such as 30, 500ms, 30s, 2h or 1d, at least 1 s',
    ],
    [["--only", "beat,x"], 'Cannot use "x" for --only: it takes one of beat, state, file'],
    [["--alert", ""], 'Cannot use "" for --alert: it takes a text that is not empty'],
    [["--plaintext=maybe"], 'Cannot use "maybe" for --plaintext: it takes true or false'],
  ];
  for (const [args, message] of cases) assertEquals(refusal(args), [message]);
});

Deno.test("parseCommandLine() refuses an option without its value", () => {
  assertEquals(refusal(["--data"]), [
    "Cannot use --data without a value: it takes a text that is not empty",
  ]);
  assertEquals(refusal(["--data", "--json"]), [
    "Cannot use --data without a value: it takes a text that is not empty",
    "Write --data=VALUE for a value that begins with a dash",
  ]);
  assertEquals(
    refusal(["--data", "--"])[0],
    "Cannot use --data without a value: it takes a text that is not empty",
  );
  assertEquals(run(["--data=--json"]).data, "--json");
});

Deno.test("parseCommandLine() refuses an option of another command", () => {
  assertEquals(refusal(["message", "all", "x", "--listen", ":1"]), [
    "Cannot use --listen with message: it belongs to run",
    "See hbtest message --help",
  ]);
  assertEquals(
    refusal(["message", "--open", "all", "x"])[0],
    "Cannot use --open with message: it belongs to run, alerts",
  );
});

Deno.test("parseCommandLine() refuses missing, surplus and wrong words", () => {
  assertEquals(refusal(["message"]), [
    "Cannot run message: WHO is missing",
    "Usage: hbtest message WHO TEXT… [OPTIONS]",
  ]);
  assertEquals(refusal(["message", "all"])[0], "Cannot run message: TEXT is missing");
  assertEquals(refusal(["ack", "a", "b", "c"]), [
    'Cannot run ack: "c" is one word too many',
    "Usage: hbtest ack WHO [NOTE] [OPTIONS]",
  ]);
  assertEquals(refusal(["run", "now"])[0], 'Cannot run run: "now" is one word too many');
  assertEquals(refusal(["service", "instal"]), [
    'Cannot run service with "instal": ACTION is one of install, status',
    "Did you mean install?",
  ]);
});

Deno.test("parseCommandLine() names a bad environment variable", () => {
  assertEquals(refusal([], { env: { HB_INTERVAL: "x" } }), [
    'Cannot use "x" for HB_INTERVAL: it takes a number from 1 to 3600',
  ]);
});

Deno.test("parseCommandLine() names the file and the key that it cannot use", () => {
  const file = (text: string) => refusal(["--config", "f.toml"], { files: { "f.toml": text } });
  assertEquals(file("intervall = 3"), [
    'Cannot use key "intervall" in "f.toml": it is no option for a file',
    "Did you mean interval?",
  ]);
  assertEquals(
    file("help = true")[0],
    'Cannot use key "help" in "f.toml": it is no option for a file',
  );
  assertEquals(
    file("config = 'x'")[0],
    'Cannot use key "config" in "f.toml": it is no option for a file',
  );
  assertEquals(
    file("[server]\nx = 1")[0],
    'Cannot use key "server" in "f.toml": it is no option for a file',
  );
  assertEquals(file("interval = '3'"), [
    'Cannot use key "interval" in "f.toml": it takes a number from 1 to 3600',
    "Write it without quotes",
  ]);
  assertEquals(file("plaintext = 'yes'")[1], "Write it without quotes");
  assertEquals(file("data = 5")[1], "Write it in double quotes");
  assertEquals(
    file("data = ['a']")[0],
    'Cannot use key "data" in "f.toml": it takes a text that is not empty',
  );
  assertEquals(file("interval = 0"), [
    'Cannot use "0" for key "interval" in "f.toml": it takes a number from 1 to 3600',
  ]);
  assert(file("interval =")[0].startsWith('Cannot read "f.toml" as TOML: '));
  assertEquals(refusal(["--config", "none"]), [
    'Cannot read configuration file "none": no such file',
  ]);
});

Deno.test("parseCommandLine() checks keys of other commands and then ignores them", () => {
  const files = { f: "listen = ':1'\n" };
  const invocation = parse(["alerts", "--config", "f"], { files });
  assertEquals(invocation.command, "alerts");
  assertEquals("listen" in ("options" in invocation ? invocation.options : {}), false);
  assertThrows(
    () => parse(["alerts", "--config", "f"], { files: { f: "listen = ':x'" } }),
    UsageError,
  );
});

Deno.test("defineProgram() refuses a table that contradicts itself", () => {
  const base = {
    name: "p",
    summary: "s",
    defaultCommand: "run",
    commands: { run: { summary: "s" }, stop: { summary: "s" } },
    options: {},
  } as const;
  const flag = { kind: "flag", help: "h" } as const;
  const bad = [
    { ...base, defaultCommand: "walk" },
    { ...base, commands: { ...base.commands, help: { summary: "s" } } },
    { ...base, options: { x: { ...flag, commands: ["walk"] } } },
    { ...base, options: { x: flag, y: { ...flag, name: "x" } } },
    {
      ...base,
      options: {
        x: { ...flag, commands: ["run"] },
        y: { ...flag, name: "x", commands: ["stop"] },
      },
    },
    {
      ...base,
      commands: {
        run: { summary: "s", arguments: [{ name: "A" }, { name: "B", required: true }] },
      },
    },
    {
      ...base,
      commands: {
        run: { summary: "s", arguments: [{ name: "A", repeatable: true }, { name: "B" }] },
      },
    },
  ] as const;
  for (const spec of bad) assertThrows(() => defineProgram(spec), TypeError);
  assertThrows(
    () => defineProgram({ ...base, options: { x: { kind: "size", help: "h", default: "many" } } }),
    UsageError,
    "the default of --x",
  );
});

Deno.test("helpText() is the whole manual and fits 100 columns", () => {
  const text = helpText(program);
  for (const line of text.split("\n")) assert(line.length <= 100, line);
  for (
    const part of [
      "hbtest: a program for tests",
      "Usage: hbtest [COMMAND] [OPTIONS] [ARGUMENTS]",
      "  message WHO TEXT…",
      "  [run]              serve (when no command is named)",
      "Options of run:",
      "Options of run, alerts:",
      "Default: 0.0.0.0:5001. [HB_LISTEN]",
      "--max-file-size SIZE",
      "--no-color",
      "Exit codes:\n  0  done\n  2  usage",
      "Examples:\n  hbtest message till-3 hello\n      Sends a word.",
    ]
  ) assert(text.includes(part), `${part}\n---\n${text}`);
  for (const option of program.options) assert(text.includes(`--${option.name}`));
  assert(text.endsWith("\n") && !text.endsWith("\n\n"));
});

Deno.test("helpText() of a command shows its usage, options and examples alone", () => {
  const text = helpText(program, "message");
  assert(
    text.startsWith(
      "hbtest message: send a message\n\nUsage: hbtest message WHO TEXT… [OPTIONS]\n",
    ),
  );
  assert(!text.includes("--listen"));
  assert(text.includes("--json") && text.includes("Sends a word."));
  assert(!helpText(program, "alerts").includes("Examples"));
});
