/** Types of the part of `nodemailer` that is used; its own come in another package. */

/** How a mail server is reached. */
export interface TransportOptions {
  host: string;
  port: number;
  /** TLS from the first byte. */
  secure: boolean;
  /** Refuses to go on without STARTTLS. */
  requireTLS: boolean;
  /** Never asks for STARTTLS. */
  ignoreTLS: boolean;
  auth?: { user: string; pass: string };
  /** Name that is said in EHLO. */
  name?: string;
  tls?: { ca?: string; servername?: string };
  connectionTimeout: number;
  greetingTimeout: number;
  socketTimeout: number;
  disableFileAccess: boolean;
  disableUrlAccess: boolean;
}

/** A mail. */
export interface Mail {
  from: string;
  to: string[];
  subject: string;
  text: string;
  messageId: string;
  references?: string;
  date: Date;
  headers: Record<string, string>;
}

/** A way to a mail server. */
export interface Transport {
  sendMail(mail: Mail): Promise<{ rejected: string[] }>;
  close(): void;
}

/** Makes one; connects with each mail. */
export function createTransport(options: TransportOptions): Transport;
