import { assert, assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../platform/usage_error.ts";
import { parseChannelAddress } from "./channel_address.ts";

function refusal(value: string): { message: string; hint: string | undefined } {
  const { message, hint } = assertThrows(() => parseChannelAddress(value), UsageError);
  return { message, hint };
}

Deno.test("parseChannelAddress() knows services by their host or by their scheme", () => {
  const kinds = {
    "https://example.org/hook": "webhook webhook example.org",
    "https://hooks.slack.com/services/T0/B0/XXXXXXXX": "slack slack hooks.slack.com",
    "https://discord.com/api/webhooks/1/abcdefgh": "discord discord discord.com",
    "https://discord.com/other": "webhook webhook discord.com",
    "https://acme.webhook.office.com/webhookb2/x": "teams teams acme.webhook.office.com",
    "https://prod-1.westeurope.logic.azure.com:443/workflows/x":
      "teams teams prod-1.westeurope.logic.azure.com",
    "slack+http://chat.local:8065/hooks/x": "slack slack chat.local:8065",
    "ntfy://ntfy.sh/my-topic": "ntfy ntfy ntfy.sh",
    "ntfy+http://127.0.0.1:80/t": "ntfy ntfy 127.0.0.1",
    "telegram://123:AAbbcc_dd@-100123": "telegram telegram",
    "alertmanager+http://am:9093": "alertmanager alertmanager am:9093",
    "smtp://u:p@mail.example.org/?from=a@b.c&to=d@e.f": "mail mail mail.example.org",
    "smtps://mail.example.org:465/?from=a@b.c&to=d@e.f": "mail mail mail.example.org:465",
    "exec:/usr/local/bin/ring": "command command ring",
    "https://example.org/hook name=ops": "webhook ops",
  };
  const found = Object.fromEntries(
    Object.keys(kinds).map((value) => {
      const { kind, name } = parseChannelAddress(value);
      return [value, `${kind} ${name}`];
    }),
  );
  assertEquals(found, kinds);
});

Deno.test("parseChannelAddress() reads options after the address, also in quotes", () => {
  const address = parseChannelAddress(
    "https://x.org/h?min=3 min=critical after=10m only=@tills,shop zone=Europe/Berlin " +
      `quiet="Mon-Fri 22:00-07:00" secret=s3cret template='{"t": "{title}"}' private=no`,
  );
  assertEquals(address.options.min, "critical");
  assertEquals(address.options.afterMs, 600_000);
  assertEquals(address.options.only, ["tills", "shop"]);
  assertEquals(address.options.quiet?.text, "Mon-Fri 22:00-07:00");
  assertEquals(address.options.quiet?.zone, "Europe/Berlin");
  assertEquals([address.secret, address.template], ["s3cret", '{"t": "{title}"}']);
  assertEquals(address.mayBePrivate, false);
  // A parameter of the service with the name of an option stays.
  assertEquals(address.url.href, "https://x.org/h?min=3");
});

Deno.test("parseChannelAddress() takes options out of the query when none follow, and keeps the others", () => {
  const { url, options, key } = parseChannelAddress(
    "https://x.org/h?token=abc&min=warning&after=5m&only=@a",
  );
  assertEquals(url.href, "https://x.org/h?token=abc");
  assertEquals([options.min, options.afterMs, options.only], ["warning", 300_000, ["a"]]);
  assertEquals(key, parseChannelAddress("https://x.org/h?token=abc min=critical").key);
  assertNotEquals(key, parseChannelAddress("https://x.org/h?token=abd").key);
  assertMatch(key, /^[0-9a-f]{16}$/);
});

Deno.test("parseChannelAddress() wants everything at once unless told otherwise", () => {
  const { options, mayBePrivate, secret } = parseChannelAddress("https://x.org/");
  assertEquals(options, { min: "info", afterMs: 0, only: [], quiet: undefined });
  assertEquals([mayBePrivate, secret], [true, undefined]);
  assertEquals(parseChannelAddress("https://x.org/", { mayBePrivate: false }).mayBePrivate, false);
});

Deno.test("parseChannelAddress() takes the chat and the token of Telegram, and another server of it", () => {
  const url = (value: string) => parseChannelAddress(value).url.href;
  assertEquals(
    url("telegram://123:AAbb-c_d@-100123"),
    "https://api.telegram.org/bot123:AAbb-c_d/sendMessage?chat_id=-100123",
  );
  assertEquals(
    url("telegram://123:AAbb@mychannel?api=http://127.0.0.1:81"),
    "http://127.0.0.1:81/bot123:AAbb/sendMessage?chat_id=%40mychannel",
  );
});

Deno.test("parseChannelAddress() says what is wrong, and what was probably meant", () => {
  assertEquals(refusal("htps://x.org/secret-path").hint, "Did you mean https:?");
  assertEquals(refusal("https://x.org/ mni=critical").hint, "Did you mean min=?");
  assertEquals(refusal("https://x.org/ min=critcal").hint, "Did you mean min=critical?");
  assertEquals(
    refusal("https://x.org/p min=urgent").message,
    'Cannot use the alert channel "https://x.org/…": min= is one of info, warning, critical',
  );
  assertMatch(refusal("https://x.org/ after=soon").message, /after= takes a time such as 10m/);
  assertMatch(refusal("https://x.org/ quiet=late").message, /Cannot read the window "late"/);
  assertMatch(refusal("https://x.org/ zone=UTC").message, /of no use without quiet=/);
  assertMatch(refusal("https://x.org/ only=").message, /only= takes tags/);
  assertMatch(refusal("https://x.org/ private=perhaps").message, /private= is yes or no/);
  assertMatch(refusal("https://x.org/ name=a/b").message, /name= takes/);
  assertMatch(refusal("https://x.org/ min=info min=info").message, /min= is there twice/);
  assertMatch(refusal("https://x.org/ more").message, /a word is no option/);
  assertMatch(refusal("ntfy://ntfy.sh/").message, /ntfy:\/\/HOST\/TOPIC/);
  assertMatch(refusal("telegram://nothing").message, /telegram:\/\/TOKEN@CHAT/);
  assertMatch(refusal("smtp://mail.org/?from=a@b.c").message, /to= is missing/);
  assertMatch(refusal("exec:relative/path").message, /exec:\/path\/to\/command/);
  assertMatch(refusal("tk_secret_secret").message, /begins with none of https:/);
});

Deno.test("no refusal repeats a secret of an address", () => {
  const values = [
    "https://user:Secret123@x.org/Secret123?token=Secret123 min=Bad",
    "https://x.org/Secret123 secret=Secret123 nonsense",
    "https://x.org/Secret123 Secret123=x",
    "Secret123://x.org/",
    "Secret123",
    "telegram://Secret123@5",
    "ntfy://u:Secret123@ntfy.sh/Secret123/more",
    "smtp://u:Secret123@mail.org/",
    "https://exa mple/Secret123",
    "https://[Secret123/",
  ];
  for (const value of values) {
    const { message, hint = "" } = refusal(value);
    assert(!`${message} ${hint}`.toLowerCase().includes("secret123"), message);
  }
});
