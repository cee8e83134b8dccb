/**
 * Mail by SMTP. Encrypted unless the address says `tls=off`: by STARTTLS, or from the first byte for `smtps:`.
 *
 * @module
 */

import { ChannelError, type ChannelSend } from "./channel.ts";
import type { ChannelAddress } from "./channel_address.ts";
import type { ChannelWorld, MailServer, SendMail } from "./channel_world.ts";
import { bounded } from "./chat_text.ts";
import { requirePublic } from "./http_post.ts";
import type { Mail } from "./nodemailer.d.ts";
import type { Notice } from "./notice.ts";
import { redact } from "./redaction.ts";

/** Ports of submission: RFC 6409, and RFC 8314 for TLS from the first byte. */
const DEFAULT_PORTS = { starttls: 587, tls: 465 } as const;
/** Each step of the conversation with a mail server may take so long, in milliseconds. */
export const MAIL_STEP_MS = 30_000;
/** Longest subject, in UTF-16 code units. */
const MAX_SUBJECT_CHARS = 200;
/** Answers of SMTP at or above this are final: RFC 5321, section 4.2.1. */
const FINAL_ANSWER = 500;

/** A notice as a mail; those of one alert are one thread. */
export function mailOf(
  notice: Notice,
  { from, to, server }: { from: string; to: readonly string[]; server: string },
): Mail {
  const { id, kind, severity, at, alert, cause, clients, title, text } = notice;
  const domain = from.replace(/^.*@|[>\s].*$/g, "");
  const facts = [
    ["Severity", severity],
    ["Cause", cause ?? ""],
    ["Clients", clients.join(", ")],
    ["Alert", alert === undefined ? "" : String(alert)],
    ["Time", new Date(at).toISOString()],
    ["Server", server],
  ].filter(([, value]) => value !== "").map(([name, value]) => `${name}: ${value}`);
  const mail = {
    from,
    to: [...to],
    // On one line: what follows an end of line would be another header.
    subject: bounded(`[hb] ${title.replace(/\s+/g, " ")}`, MAX_SUBJECT_CHARS),
    text: `${bounded(text, 20_000)}\n\n${bounded(facts.join("\n"), 20_000)}\n`,
    messageId: `<${id}@${domain}>`,
    date: new Date(at),
    // Nobody answers a machine.
    headers: { "Auto-Submitted": "auto-generated", "X-Hb-Kind": kind },
  };
  return alert === undefined ? mail : { ...mail, references: `<alert-${alert}@${domain}>` };
}

/** The mail server that an address names. */
export function mailServerOf({ url }: Pick<ChannelAddress, "url">, ca?: string): MailServer {
  const isOff = url.searchParams.get("tls") === "off";
  const encryption = url.protocol === "smtps:" ? "tls" : isOff ? "none" : "starttls";
  const [user, pass] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === ""
      ? DEFAULT_PORTS[encryption === "tls" ? "tls" : "starttls"]
      : Number(url.port),
    encryption,
    login: user === "" ? undefined : { user, pass },
    ca,
  };
}

/** Sends mail. */
export function sendToMail(
  address: ChannelAddress,
  { mail, resolve, server }: Pick<ChannelWorld, "mail" | "resolve" | "server">,
): ChannelSend {
  const { url, secrets, ca } = address;
  const target = mailServerOf(address, ca);
  const from = url.searchParams.get("from") ?? "";
  const to = (url.searchParams.get("to") ?? "").split(",").map((part) => part.trim());
  return async (notice, { signal }) => {
    if (!address.mayBePrivate) await requirePublic(url, resolve);
    try {
      await mail(target, mailOf(notice, { from, to, server }), { signal });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const code = error instanceof Error && "responseCode" in error ? error.responseCode : 0;
      const command = error instanceof Error && "command" in error ? error.command : undefined;
      throw new ChannelError(`Cannot send mail by ${url.host}: ${redact(why, secrets)}`, {
        retry: true,
        // Only of the mail itself: a login that is refused may be mended.
        refused: Number(code) >= FINAL_ANSWER && command === "DATA",
      });
    }
  };
}

/** Sends a mail by `nodemailer`, over a connection of its own. */
export const sendMail: SendMail = async (server, mail, { signal }) => {
  // Loaded for the first mail: most servers send none.
  // @ts-types="./nodemailer.d.ts"
  const { createTransport } = await import("nodemailer");
  const { host, port, encryption, login, ca } = server;
  const transport = createTransport({
    host,
    port,
    secure: encryption === "tls",
    requireTLS: encryption === "starttls",
    ignoreTLS: encryption === "none",
    ...(login === undefined ? {} : { auth: { ...login } }),
    name: "hbserver",
    ...(ca === undefined ? {} : { tls: { ca } }),
    connectionTimeout: MAIL_STEP_MS,
    greetingTimeout: MAIL_STEP_MS,
    socketTimeout: MAIL_STEP_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const stop = () => transport.close();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const { rejected } = await transport.sendMail(mail);
    if (rejected.length > 0) throw new Error(`it refused ${rejected.length} of the recipients`);
  } finally {
    signal.removeEventListener("abort", stop);
    transport.close();
  }
};
