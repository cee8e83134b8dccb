/**
 * A small SMTP server for tests, on a free port of the loopback: takes mail, asks for a login, offers STARTTLS.
 *
 * @module
 */

import { createServer, type Server, type Socket } from "node:net";
import { TLSSocket } from "node:tls";

/** How a {@linkcode FakeMailServer} behaves. */
export interface MailServerOptions {
  /** Key and certificate in PEM; without them there is no STARTTLS. */
  tls?: { key: string; cert: string };
  /** Login that it takes; without one it asks for none. */
  login?: { user: string; pass: string };
  /** Answer to a mail, after its end. @default {"250 taken"} */
  verdict?: string;
}

/** A mail that was taken. */
export interface TakenMail {
  from: string;
  to: string[];
  data: string;
  /** Whether it came through TLS. */
  isEncrypted: boolean;
  /** Whether somebody had logged in. */
  isLoggedIn: boolean;
}

/** Takes mail until it is disposed of. */
export class FakeMailServer implements AsyncDisposable {
  readonly mails: TakenMail[] = [];
  /** Every command that came, for its order. */
  readonly commands: string[] = [];
  readonly #options: MailServerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(options: MailServerOptions) {
    this.#options = options;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      this.#talk(socket, { isEncrypted: false });
      socket.write("220 mail.test ESMTP\r\n");
    });
  }

  /** Starts one. */
  static async start(options: MailServerOptions = {}): Promise<FakeMailServer> {
    const server = new FakeMailServer(options);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", () => resolve()));
    return server;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("Cannot listen");
    return address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #talk(socket: Socket, { isEncrypted }: { isEncrypted: boolean }): void {
    let text = "";
    let mail: TakenMail | undefined;
    let isData = false;
    let isLoggedIn = false;
    const { tls, login, verdict = "250 taken" } = this.#options;
    const say = (line: string) => void socket.write(`${line}\r\n`);
    const take = (line: string): void => {
      if (isData) {
        if (line !== ".") return void (mail !== undefined && (mail.data += `${line}\n`));
        isData = false;
        if (mail !== undefined && verdict.startsWith("2")) this.mails.push(mail);
        return say(verdict);
      }
      const verb = line.split(" ")[0]?.toUpperCase() ?? "";
      this.commands.push(verb);
      if (verb === "EHLO") {
        say("250-mail.test");
        if (tls !== undefined && !isEncrypted) say("250-STARTTLS");
        return say(login === undefined ? "250 8BITMIME" : "250 AUTH PLAIN");
      }
      if (verb === "STARTTLS" && tls !== undefined) {
        say("220 go on");
        socket.off("data", onData);
        const secure = new TLSSocket(socket, { isServer: true, ...tls });
        secure.on("error", () => socket.destroy());
        return this.#talk(secure, { isEncrypted: true });
      }
      if (verb === "AUTH") {
        const wanted = login === undefined ? "" : btoa(`\0${login.user}\0${login.pass}`);
        isLoggedIn = line.split(" ")[2] === wanted;
        return say(isLoggedIn ? "235 welcome" : `535 who is ${line}`);
      }
      if (verb === "MAIL") {
        if (login !== undefined && !isLoggedIn) return say("530 log in first");
        mail = { from: address(line), to: [], data: "", isEncrypted, isLoggedIn };
        return say("250 ok");
      }
      if (verb === "RCPT") {
        mail?.to.push(address(line));
        return say("250 ok");
      }
      if (verb === "DATA") {
        isData = true;
        return say("354 go on");
      }
      if (verb === "QUIT") {
        say("221 bye");
        return void socket.end();
      }
      say("500 what");
    };
    const onData = (part: Uint8Array) => {
      text += new TextDecoder().decode(part);
      const lines = text.split("\r\n");
      text = lines.pop() ?? "";
      for (const line of lines) take(line);
    };
    socket.on("data", onData);
    socket.on("error", () => socket.destroy());
  }
}

function address(line: string): string {
  return line.match(/<(.*)>/)?.[1] ?? "";
}
