import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { UsageError } from "../../platform/usage_error.ts";
import { exposedChannels, MAX_CHANNELS, readChannelAddresses } from "./open_channels.ts";

const FILES: Record<string, string> = {
  "/etc/hb/alerts": "# of the shop\nhttps://x.org/Secret123 min=critical\n\nntfy://ntfy.sh/tills\n",
  "/etc/hb/secret": "s3cret-s3cret\n",
  "/etc/hb/empty": "\n",
};

function read(values: string[], mayBePrivate = true) {
  const readTextFile = (path: string) => {
    const text = FILES[path];
    if (text === undefined) throw new Error("no such file");
    return text;
  };
  return readChannelAddresses(values, { readTextFile, mayBePrivate });
}

Deno.test("readChannelAddresses() reads one channel from each line of a file", () => {
  const [hook, topic] = read(["@/etc/hb/alerts"]);
  assertEquals([hook?.name, hook?.options.min, topic?.name], [
    "webhook x.org",
    "critical",
    "ntfy ntfy.sh",
  ]);
});

Deno.test("readChannelAddresses() puts together what a variable's list has parted at blanks", () => {
  const value =
    `https://x.org/h min=critical quiet="Mon-Fri 22:00-07:00" zone=UTC ntfy://ntfy.sh/t`;
  const [hook, topic, ...more] = read(value.split(" "));
  assertEquals(hook?.options.min, "critical");
  assertEquals(hook?.options.quiet?.text, "Mon-Fri 22:00-07:00");
  assertEquals([topic?.name, more.length], ["ntfy ntfy.sh", 0]);
});

Deno.test("readChannelAddresses() takes a secret from a file, and never shows it", () => {
  const [hook] = read(["https://x.org/h secret-file=/etc/hb/secret"]);
  assertEquals(hook?.secret, "s3cret-s3cret");
  assert(hook?.secrets.includes("s3cret-s3cret"));
  for (const path of ["/etc/hb/empty", "/etc/hb/gone"]) {
    const { message } = assertThrows(
      () => read([`https://x.org/h secret-file=${path}`]),
      UsageError,
    );
    assertMatch(message, /secret of webhook x\.org/);
  }
});

Deno.test("readChannelAddresses() gives every channel a name and an address of its own", () => {
  const names = read(["https://x.org/a", "https://x.org/b", "https://x.org/c name=ops"])
    .map(({ name }) => name);
  assertEquals(names, ["webhook x.org", "webhook x.org (2)", "ops"]);
  const { message } = assertThrows(() =>
    read(["https://x.org/Secret123", "https://x.org/Secret123"])
  );
  assertEquals(message, "Cannot use the alert channel webhook x.org twice: it is one address");
  const many = Array.from({ length: MAX_CHANNELS + 1 }, (_, at) => `https://x.org/${at}`);
  assertThrows(() => read(many), UsageError, `${MAX_CHANNELS} are the most`);
});

Deno.test("readChannelAddresses() bars private addresses unless a channel asks for them", () => {
  const all = read(["https://x.org/a", "https://x.org/b private=yes"], false);
  assertEquals(all.map(({ mayBePrivate }) => mayBePrivate), [false, true]);
});

Deno.test("exposedChannels() names those whose secrets stand on the command line", () => {
  const shown = ["https://x.org/Secret123", "smtp://u:Secret456@m.org/?from=a@b.c&to=d@e.f"];
  const bare = ["alertmanager+http://am:9093", "exec:/usr/local/bin/ring"];
  const args = [...shown, ...bare].flatMap((value) => ["--alert", value]);
  assertEquals(exposedChannels(read([...shown, ...bare]), args), ["webhook x.org", "mail m.org"]);
  assertEquals(exposedChannels(read(["@/etc/hb/alerts"]), ["--alert", "@/etc/hb/alerts"]), []);
});
