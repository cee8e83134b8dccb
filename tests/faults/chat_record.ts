/**
 * What both sides of a chat said while it went on: filled by whoever types, and by the lines that the programs
 * print. It judges nothing; `history.ts` does.
 *
 * @module
 */

import type { Acknowledgement, KnownFile } from "./history.ts";

/** One direction of the chat. */
export class DirectionRecord {
  readonly sent: string[] = [];
  readonly acknowledged = new Map<string, Acknowledgement>();
  readonly refused = new Set<string>();
  readonly shown: string[] = [];
  /** Digests of the files that were sent, and what is known to be stored of them. */
  readonly files = { sent: new Set<string>(), acknowledged: [] as KnownFile[] };
}

/** A text of this chat; its end shows that it is whole, where a kill may have cut the line that holds it. */
export function textOf(sender: string, number: number): string {
  return `${sender} ${number}.`;
}

function isWholeText(text: string): boolean {
  return text.endsWith(".");
}

/** Warnings that only say that a file could not be sent while the server was dead. */
const UNSENT_FILE = /^Cannot connect to the server/;
/** Lines with which a program admits that something went wrong. */
const COMPLAINT = / ERROR (?!server: ALERT )|^hb(?:server|client): error/;

/** Both directions of one chat, and what the programs complained about. */
export class ChatRecord {
  /** Messages and files of the client. */
  readonly client = new DirectionRecord();
  /** Messages and files of the server. */
  readonly server = new DirectionRecord();
  /** Lines that should not have been printed. */
  readonly complaints: string[] = [];
  /** Whether the client's last word was that it is connected, and since when, by `performance.now()`. */
  connectedSince: number | undefined;
  readonly #name: string;
  readonly #texts = new Map<string, string>();
  #cut: string | undefined;

  /** Takes the client's name. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Takes a line of `hbserver run`. */
  onServerLine(line: string): void {
    const head = `${this.#name}: `;
    const text = line.startsWith(head) ? line.slice(head.length) : undefined;
    if (text !== undefined && isWholeText(text)) this.client.shown.push(text);
    else if (COMPLAINT.test(line)) this.complaints.push(`server: ${line}`);
  }

  /** Takes a line of `hbclient run --json`. */
  onClientLine(line: string): void {
    if (COMPLAINT.test(line)) this.complaints.push(`client: ${line}`);
    if (!line.startsWith("{")) return;
    const said = this.#parse(line);
    if (said.kind === "state") this.#onState(said);
    else if (said.kind === "message") this.#onMessage(said);
    else if (said.kind === "receipt") this.#onReceipt(said);
    else if (said.kind === "file" && said.direction === undefined) {
      const { as: name = "", sha256 = "" } = said;
      this.client.files.acknowledged.push({ name, sha256 });
    } else if (said.kind === "warning" && !UNSENT_FILE.test(said.text ?? "")) {
      this.complaints.push(`client: ${said.text}`);
    }
  }

  /** What a line says; one that is cut off says nothing, which only a kill may do. */
  #parse(line: string): Record<string, string> {
    let said: Record<string, string> = {};
    const cut = this.#cut;
    this.#cut = undefined;
    try {
      said = JSON.parse(line);
    } catch {
      this.#cut = line; // Whether that was a kill shows in the line that follows.
    }
    const isNewLife = said.kind === "state" && said.state === "connecting";
    if (cut !== undefined && !isNewLife) this.complaints.push(`client: no JSON: ${cut}`);
    return said;
  }

  #onState({ state }: Record<string, string>): void {
    this.connectedSince = state === "connected" ? performance.now() : undefined;
  }

  #onMessage({ id = "", from, text = "", state }: Record<string, string>): void {
    if (from === "server") {
      this.server.shown.push(text);
    } else if (state === "queued") {
      this.#texts.set(id, text);
      this.client.acknowledged.set(text, "queued");
    }
  }

  #onReceipt({ id = "", state, reason }: Record<string, string>): void {
    if (state === "refused" || state === "queued" || state === "expired") {
      this.complaints.push(`client: a message is ${state}: ${reason}`);
    }
    const text = this.#texts.get(id);
    // Without a text it was queued by a life that died before it could say so.
    if (text !== undefined && state === "stored") this.client.acknowledged.set(text, "stored");
  }
}
