import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { makeIdentity } from "../certificate.ts";
import { ChannelError } from "./channel.ts";
import { parseChannelAddress } from "./channel_address.ts";
import { mailOf, mailServerOf, sendMail, sendToMail } from "./channel_mail.ts";
import { FakeMailServer, type MailServerOptions } from "./fake_mail_server.ts";
import { fakeNotice } from "./fake_notice.ts";
import { FakeWorld, NEVER } from "./fake_world.ts";
import { makeTestCertificate } from "./fake_certificate.ts";

const REST = "/?from=hb@example.org&to=kim@example.org,lee@example.org";

/** The way to a real server on the loopback, whose name the certificate has. */
async function mail(options: MailServerOptions, value: (port: number) => string, ca?: string) {
  const server = await FakeMailServer.start(options);
  const address = { ...parseChannelAddress(value(server.port)), ca };
  const world = Object.assign(new FakeWorld(), { mail: sendMail });
  return {
    server,
    send: () => sendToMail(address, world)(fakeNotice({ title: "tíll-3 is DOWN" }), NEVER),
  };
}

Deno.test("mailServerOf() asks for encryption unless the address says otherwise", () => {
  const of = (text: string) => mailServerOf(parseChannelAddress(text + REST));
  const { encryption, port, login } = of("smtp://kim:p%40ss@mail.org");
  assertEquals([encryption, port, login], ["starttls", 587, { user: "kim", pass: "p@ss" }]);
  assertEquals(of("smtps://mail.org").encryption, "tls");
  assertEquals(of("smtps://mail.org").port, 465);
  const off = mailServerOf(parseChannelAddress(`smtp://mail.org:25${REST}&tls=off`));
  assertEquals([off.encryption, off.port, off.login], ["none", 25, undefined]);
});

Deno.test("mailOf() puts the mails of one alert into one thread, each with an id of its own", () => {
  const way = { from: "HB <hb@example.org>", to: ["kim@example.org"], server: "hq" };
  const mails = [fakeNotice(), fakeNotice({ id: "n2", kind: "recovery" })]
    .map((notice) => mailOf(notice, way));
  assertEquals(mails.map(({ references }) => references), [
    "<alert-1@example.org>",
    "<alert-1@example.org>",
  ]);
  assertEquals(mails[1]?.messageId, "<n2@example.org>");
  const hostile = mailOf(fakeNotice({ title: "a\r\nBcc: evil@example.org" }), way);
  assertEquals(hostile.subject, "[hb] a Bcc: evil@example.org");
});

Deno.test("a mail crosses a real conversation in plaintext only with tls=off", async () => {
  const plain = await mail({}, (port) => `smtp://127.0.0.1:${port}${REST}&tls=off`);
  await using server = plain.server;
  await plain.send();
  const [taken] = server.mails;
  assertEquals(taken?.from, "hb@example.org");
  assertEquals(taken?.to, ["kim@example.org", "lee@example.org"]);
  assertEquals(taken?.isEncrypted, false);
  assertMatch(taken?.data ?? "", /^Subject: =\?UTF-8\?.*$/m);
  assertMatch(taken?.data ?? "", /^Auto-Submitted: auto-generated$/m);
  assertMatch(taken?.data ?? "", /ALERT till-3 is DOWN, silent/);
  const strict = await mail({}, (port) => `smtp://127.0.0.1:${port}${REST}`);
  await using other = strict.server;
  await assertRejects(strict.send, ChannelError);
  assert(!other.commands.includes("MAIL"));
});

Deno.test("a mail crosses a real conversation with STARTTLS and a login", async () => {
  const { keyPem, certificatePem } = await makeTestCertificate("localhost");
  const login = { user: "kim", pass: "s3cret-s3cret" };
  const options = { tls: { key: keyPem, cert: certificatePem }, login };
  const value = (port: number) => `smtp://kim:s3cret-s3cret@localhost:${port}${REST}`;
  const way = await mail(options, value, certificatePem);
  await using server = way.server;
  await way.send();
  assertEquals(server.mails.map(({ isEncrypted, isLoggedIn }) => [isEncrypted, isLoggedIn]), [
    [true, true],
  ]);
  assertEquals(server.commands.slice(0, 3), ["EHLO", "STARTTLS", "EHLO"]);
});

Deno.test("a mail server whose certificate nobody knows gets neither login nor mail", async () => {
  const { keyPem, certificatePem } = await makeIdentity(Date.now());
  const options = { tls: { key: keyPem, cert: certificatePem } };
  const way = await mail(options, (port) => `smtp://kim:s3cret@localhost:${port}${REST}`);
  await using server = way.server;
  const { retry } = await assertRejects(way.send, ChannelError);
  assertEquals(retry, true);
  assertEquals(server.commands, ["EHLO", "STARTTLS"]);
});

Deno.test("a refused login is told without the login; a refused mail holds up no other", async () => {
  const login = { user: "kim", pass: "right-right" };
  const value = (port: number) => `smtp://kim:wrong-wrong@127.0.0.1:${port}${REST}&tls=off`;
  const way = await mail({ login }, value);
  await using _server = way.server;
  const { message, refused } = await assertRejects(way.send, ChannelError);
  assertMatch(message, /^Cannot send mail by 127\.0\.0\.1:\d+: .*535/);
  assert(
    !message.includes("wrong-wrong") && !message.includes(btoa("\0kim\0wrong-wrong")),
    message,
  );
  assertEquals(refused, false);
  const picky = await mail(
    { verdict: "554 spam" },
    (port) => `smtp://127.0.0.1:${port}${REST}&tls=off`,
  );
  await using _picky = picky.server;
  assertEquals((await assertRejects(picky.send, ChannelError)).refused, true);
});
