/**
 * What channels reach the world with.
 *
 * @module
 */

import type { Clock } from "../../platform/clock.ts";
import type { Fetch, Resolve } from "./http_post.ts";
import type { Mail } from "./nodemailer.d.ts";

/** How a command has ended. */
export interface CommandEnd {
  /** 0 for success. */
  readonly code: number;
  /** The end of what it wrote about its errors. */
  readonly errors: string;
}

/** Runs a command until it ends or the signal kills it; rejects when it cannot be run. */
export type RunCommand = (
  path: string,
  options: { input: string; env: Readonly<Record<string, string>>; signal: AbortSignal },
) => Promise<CommandEnd>;

/** How a mail server is reached. */
export interface MailServer {
  readonly host: string;
  readonly port: number;
  readonly encryption: "starttls" | "tls" | "none";
  readonly login: { readonly user: string; readonly pass: string } | undefined;
  /** Certificate that is trusted besides those of the system, in PEM. */
  readonly ca: string | undefined;
}

/** Sends one mail; rejects with an error that may have `responseCode`, the answer of the other side. */
export type SendMail = (
  server: MailServer,
  mail: Mail,
  options: { signal: AbortSignal },
) => Promise<void>;

/** Everything outside of the program that a channel uses. */
export interface ChannelWorld {
  clock: Clock;
  fetch: Fetch;
  /** All addresses of a name. */
  resolve: Resolve;
  run: RunCommand;
  mail: SendMail;
  /** The name of this server, for receivers that hear of several. */
  server: string;
}
