import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import fc from "fast-check";
import { createHmac } from "node:crypto";
import { alertmanagerBody } from "./channel_alertmanager.ts";
import { ChannelError } from "./channel.ts";
import { discordBody } from "./channel_discord.ts";
import { ntfyBody } from "./channel_ntfy.ts";
import { slackBody } from "./channel_slack.ts";
import { teamsBody } from "./channel_teams.ts";
import { fillTemplate, webhookBody } from "./channel_webhook.ts";
import { fakeNotice } from "./fake_notice.ts";
import { FakeWorld, NEVER } from "./fake_world.ts";

const HOSTILE = 'x"}, <!channel> @here **b** [a](http://evil) \u202e `c` {title} \\ $& $1';

Deno.test("a webhook gets the whole notice as JSON, with the notice's id as idempotency key", async () => {
  const world = new FakeWorld();
  await world.channel("https://x.org/h").send(fakeNotice(), NEVER);
  const [sent] = world.requests;
  assertEquals(world.json, {
    id: "0193568a-7c00-7000-8000-000000000001",
    kind: "alert",
    severity: "critical",
    at: "2026-11-22T10:00:00.000Z",
    alert: 1,
    cause: "silent",
    clients: ["till-3"],
    tags: ["shop"],
    title: "till-3 is DOWN",
    text: "ALERT till-3 is DOWN, silent",
    server: "headquarters",
  });
  assertEquals(sent?.headers.get("idempotency-key"), fakeNotice().id);
  assertEquals(sent?.headers.get("content-type"), "application/json");
  assertEquals(sent?.headers.get("hb-signature"), null);
  const none = webhookBody(fakeNotice({ alert: undefined, cause: undefined }), "s");
  assertEquals([none.alert, none.cause], [null, null]);
});

Deno.test("docs/alerts.md shows the body of a webhook as it is", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/alerts.md", import.meta.url));
  const [, shown = ""] = page.match(/```json\n([\s\S]*?)```/) ?? [];
  assertEquals(JSON.parse(shown), webhookBody(fakeNotice(), "headquarters"));
});

Deno.test("a webhook's signature is the HMAC-SHA-256 of time and body, made anew at each try", async () => {
  const world = new FakeWorld();
  const channel = world.channel("https://x.org/h secret=s3cret");
  for (let round = 0; round < 2; round++) {
    await channel.send(fakeNotice(), NEVER);
    const sent = world.requests.at(-1);
    const [, t = "", v1] = sent?.headers.get("hb-signature")?.match(/^t=(\d+),v1=(\w+)$/) ?? [];
    assertEquals(Number(t), Math.floor(world.clock.wall() / 1000));
    const hmac = createHmac("sha256", "s3cret").update(`${t}.${sent?.body}`).digest("hex");
    assertEquals(v1, hmac);
    await world.clock.advance(61_000);
  }
});

Deno.test("a template that is JSON stays JSON, whatever a client is called", () => {
  const template = '{"a": "{title}: {clients}", "n": "{alert}", "u": "{unknown}"}';
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (title) => {
      const filled = JSON.parse(fillTemplate(template, fakeNotice({ title, clients: ["a", "b"] })));
      assertEquals(filled, { a: `${title}: a, b`, n: "1", u: "{unknown}" });
    }),
  );
  assertEquals(
    fillTemplate("{kind}: {title}", fakeNotice({ title: HOSTILE })),
    `alert: ${HOSTILE}`,
  );
});

Deno.test("a template that is no JSON is sent as text", async () => {
  const world = new FakeWorld();
  await world.channel("https://x.org/h template='{kind}: {title}'").send(fakeNotice(), NEVER);
  assertEquals(world.requests[0]?.body, "alert: till-3 is DOWN");
  assertMatch(world.requests[0]?.headers.get("content-type") ?? "", /^text\/plain/);
});

Deno.test("no chat obeys what a client is called", () => {
  const notice = fakeNotice({ title: HOSTILE, text: HOSTILE });
  const { text } = slackBody(notice);
  assert(!text.includes("<!channel>") && !text.includes("@here") && !text.includes("\u202e"), text);
  assert(text.includes("@\u200bhere"), text);
  assertMatch(text, /&lt;!channel&gt;/);
  const discord = discordBody(notice);
  assertEquals(discord.allowed_mentions, { parse: [] });
  assert(discord.content.includes("\\*\\*b\\*\\* \\[a\\]\\(http://evil\\)"), discord.content);
  assert(JSON.stringify(teamsBody(notice)).includes("\\\\[a\\\\]"));
});

Deno.test("no chat gets more than it takes", () => {
  const notice = fakeNotice({ title: "t".repeat(5_000), text: "ü".repeat(50_000) });
  assert(slackBody(notice).text.length <= 3_900);
  assert(discordBody(notice).content.length <= 2_000);
  assert(new TextEncoder().encode(JSON.stringify(teamsBody(notice))).length <= 28 * 1024);
  const { title, message } = ntfyBody(notice, "t");
  assert(new TextEncoder().encode(`${title}${message}`).length <= 4_096);
});

Deno.test("ntfy gets topic, loudness and the right proof of who speaks", async () => {
  const world = new FakeWorld();
  await world.channel("ntfy://user:pass@ntfy.sh/my-topic").send(fakeNotice(), NEVER);
  const [sent] = world.requests;
  assertEquals(sent?.url, "https://ntfy.sh/");
  assertEquals(sent?.headers.get("authorization"), `Basic ${btoa("user:pass")}`);
  assertEquals(world.json, {
    topic: "my-topic",
    title: "till-3 is DOWN",
    message: "ALERT till-3 is DOWN, silent",
    priority: 5,
    tags: ["rotating_light"],
  });
  await world.channel("ntfy+http://tk_abc@ntfy.local/t")
    .send(fakeNotice({ kind: "recovery" }), NEVER);
  assertEquals(world.requests[1]?.url, "http://ntfy.local/");
  assertEquals(world.requests[1]?.headers.get("authorization"), "Bearer tk_abc");
  assertEquals((world.json as { priority: number }).priority, 3);
});

Deno.test("Telegram gets chat and text, and is left alone for as long as it asks", async () => {
  const world = new FakeWorld();
  const channel = world.channel("telegram://123:AAbbccdd@-100123");
  await channel.send(fakeNotice(), NEVER);
  assertEquals(world.requests[0]?.url, "https://api.telegram.org/bot123:AAbbccdd/sendMessage");
  assertEquals(world.json, {
    chat_id: "-100123",
    text: "\u{1F534} till-3 is DOWN\nALERT till-3 is DOWN, silent",
    link_preview_options: { is_disabled: true },
  });
  const answer = { ok: false, error_code: 429, parameters: { retry_after: 17 } };
  world.answer = () => Response.json(answer, { status: 429 });
  const { waitMs } = await assertRejects(() => channel.send(fakeNotice(), NEVER), ChannelError);
  assertEquals(waitMs, 17_000);
});

Deno.test("Alertmanager gets an end with the labels of the beginning", async () => {
  const world = new FakeWorld();
  await world.channel("alertmanager+http://am:9093/prefix/").send(fakeNotice(), NEVER);
  assertEquals(world.requests[0]?.url, "http://am:9093/prefix/api/v2/alerts");
  const [open] = alertmanagerBody(fakeNotice(), "hq");
  const later = fakeNotice({ id: "other", kind: "recovery", at: fakeNotice().at + 60_000 });
  const [over] = alertmanagerBody(later, "hq");
  assertEquals(over?.labels, open?.labels);
  assertEquals(open?.labels, {
    alertname: "hb_alert",
    severity: "critical",
    hb_server: "hq",
    hb_alert: "1",
  });
  assertEquals(open?.startsAt, "2026-11-22T10:00:00.000Z");
  assertEquals(over?.endsAt, "2026-11-22T10:01:00.000Z");
  assert(Date.parse(String(open?.endsAt)) > fakeNotice().at + 86_400_000);
  const trouble = { kind: "trouble" as const, alert: undefined };
  const relief = { kind: "relief" as const, alert: undefined, id: "x" };
  assertEquals(
    alertmanagerBody(fakeNotice(trouble), "hq")[0]?.labels,
    alertmanagerBody(fakeNotice(relief), "hq")[0]?.labels,
  );
});

Deno.test("no failure of any channel repeats a secret of its address, whatever fails and however", async () => {
  const secret = fc.stringMatching(/^[A-Za-z0-9_]{8,20}$/).filter((text) => /\d/.test(text));
  const kinds = [
    (s: string) => `https://x.org/a/${s}/b`,
    (s: string) => `https://x.org/a?token=${s}`,
    (s: string) => `https://user:${s}@x.org/a`,
    (s: string) => `https://x.org/a secret=${s}`,
    (s: string) => `https://hooks.slack.com/services/T/B/${s}`,
    (s: string) => `https://discord.com/api/webhooks/1/${s}`,
    (s: string) => `teams+https://x.org/${s}`,
    (s: string) => `ntfy://ntfy.sh/${s}`,
    (s: string) => `ntfy://u:${s}@ntfy.sh/t`,
    (s: string) => `telegram://123:${s}@5`,
    (s: string) => `alertmanager+https://u:${s}@am.org/`,
    (s: string) => `smtp://u:${s}@mail.org/?from=a@b.c&to=d@e.f`,
  ];
  const failing = fc.record({ kind: fc.constantFrom(...kinds), secret, way: fc.nat(3) });
  await fc.assert(
    fc.asyncProperty(failing, async ({ kind, secret, way }) => {
      const world = new FakeWorld();
      const value = kind(secret);
      const words = `${value} ${encodeURIComponent(value)} ${btoa(`\0u\0${secret}`)} ${secret}`;
      world.answer = () => {
        const url = world.requests.at(-1)?.url;
        const proof = world.requests.at(-1)?.headers.get("authorization");
        if (way === 0) return new Response(`${words} ${url}`, { status: 500 });
        const inner = new Error(`error sending request for url (${url}): odd ${words}`);
        if (way === 1) throw new TypeError("fetch failed", { cause: inner });
        if (way === 2) throw new Error(`failed at ${url} with ${proof} and ${words}`);
        throw new TypeError(`fetch failed ${words}`, { cause: words });
      };
      world.mail = () => Promise.reject(Object.assign(new Error(words), { responseCode: 535 }));
      const channel = world.channel(value);
      const error = await assertRejects(() => channel.send(fakeNotice(), NEVER), ChannelError);
      const said = `${error.message} ${error.stack} ${error.cause} ${channel.name} ${channel.key}`;
      assert(!said.includes(secret), said);
      assert(!said.includes(btoa(`u:${secret}`)), said);
    }),
    { numRuns: 300 },
  );
});
