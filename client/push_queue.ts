/**
 * The pushes of the server that wait to be fetched: which are taken, whose turn it is, and what becomes of them.
 * Moves no bytes; that is `receive.ts`.
 *
 * The queue lives in memory only: the server keeps every push until it has an answer, and announces it again
 * after every greeting.
 *
 * @module
 */

import type { Clock } from "../platform/clock.ts";
import { type BadOffer, checkOffer, type FrameOf, type RejectCode } from "../protocol/mod.ts";
import type { DownloadEnd, PushOffer } from "./download.ts";
import type { InboxFolder } from "./inbox_folder.ts";
import type { ReceivedFile } from "./store.ts";

/** A pushed file that is not stored. */
export interface RefusedFile {
  /** The push's UUID. */
  id: string;
  /** Its name as far as it can be shown; not checked. */
  name: string;
  /** Why, as on the wire; "withdrawn" when it was the server that changed its mind. */
  code: RejectCode | "withdrawn";
  /** The same for people. */
  reason: string;
  /** Whether it is tried again by itself. */
  retry: boolean;
}

/** Says something on the control connection that a push came on. */
export type PushAnswer = (frame: FrameOf<"REJECT"> | FrameOf<"STORED">) => void;

/** One push that waits. */
export interface WaitingPush {
  readonly offer: PushOffer;
  /** Reaches the server for as long as the connection lives that the push came on last. */
  answer: PushAnswer;
  /** Times that it has arrived damaged. */
  damaged: number;
  /** When it may be tried again, by the clock's `now()`. */
  notBefore: number;
  /** Whether the server has heard something since it announced the push last. */
  isAnswered: boolean;
  /** Why it could not be stored when it was tried last. */
  refusal?: BadOffer;
  /** What people were told last, so that they are told once. */
  told?: RejectCode | "withdrawn";
  /** Whether bytes of it have come. */
  hasBegun: boolean;
  /** Whether the server has announced it more than once, as it does after a greeting. */
  isRepeated: boolean;
}

/** What a {@linkcode PushQueue} works with. */
export interface PushQueuePorts {
  /** Time. */
  clock: Pick<Clock, "now">;
  /** Where files go; undefined when none are taken. */
  folder: Pick<InboxFolder, "refusal"> | undefined;
  /** The file that was stored under an id before. */
  recall: (id: string) => ReceivedFile | undefined;
  /** Told when a file is on disk. */
  onFile?: ((file: ReceivedFile) => void) | undefined;
  /** Told when a file was not taken, or not yet. */
  onFileRefused?: ((file: RefusedFile) => void) | undefined;
}

/** Pushes that may wait; the server announces further ones again after the next greeting. */
export const MAX_WAITING_PUSHES = 1_000;
/** Times that a file may arrive damaged before it is given up. */
export const MAX_DAMAGED_TRIES = 3;
/** Pause after which a file is tried again that this machine's or the server's disk had no way for, in milliseconds. */
export const LATER_MS = 60_000;
/** Longest name that is shown of an offer with a bad one, in characters. */
const MAX_SHOWN_CHARS = 255;

/** Keeps the pushes in the order in which they came. */
export class PushQueue {
  readonly #ports: PushQueuePorts;
  readonly #waiting = new Map<string, WaitingPush>();

  /** Begins empty. */
  constructor(ports: PushQueuePorts) {
    this.#ports = ports;
  }

  /** How many wait, the one being fetched included. */
  get size(): number {
    return this.#waiting.size;
  }

  /** When the next one may be tried, by the clock's `now()`; Infinity when none waits. */
  get nextAt(): number {
    return Math.min(Infinity, ...this.#waiting.values().map(({ notBefore }) => notBefore));
  }

  /** The one whose turn it is. */
  next(): WaitingPush | undefined {
    const now = this.#ports.clock.now();
    return this.#waiting.values().find(({ notBefore }) => notBefore <= now);
  }

  /** Takes a push, or answers it; whether it waits now. */
  take({ id, path, size, sha256 }: FrameOf<"PUSH">, answer: PushAnswer): boolean {
    const stored = this.#ports.recall(id);
    if (stored !== undefined) {
      answer(storedAnswer(stored));
      return false;
    }
    const known = this.#waiting.get(id);
    if (known !== undefined) {
      this.#takeAgain(known, answer);
      return true;
    }
    const offer = this.#check({ id, path, size, sha256 });
    if ("code" in offer) {
      const { code, reason } = offer;
      const retry = code === "busy";
      answer({ verb: "REJECT", id, code, reason, retry });
      this.#ports.onFileRefused?.({ id, name: shownName(path), code, reason, retry });
      return false;
    }
    const fresh = {
      damaged: 0,
      notBefore: 0,
      isAnswered: false,
      hasBegun: false,
      isRepeated: false,
    };
    this.#waiting.set(id, { offer, answer, ...fresh });
    return true;
  }

  /** Refuses on the control connection what cannot be fetched for now, once for every announcement. */
  answer(push: WaitingPush, { code, reason }: BadOffer): void {
    if (push.isAnswered) return;
    push.isAnswered = true;
    const { offer: { id } } = push;
    push.answer({ verb: "REJECT", id, code, reason, retry: isForLater(code) });
  }

  /** Notes how a download ended. */
  conclude(push: WaitingPush, end: DownloadEnd): void {
    const { id, name } = push.offer;
    push.isAnswered = true;
    switch (end.kind) {
      case "busy":
        return; // It waits on.
      case "stored":
        this.#waiting.delete(id);
        if (push.isRepeated) push.answer(storedAnswer(end.file));
        return this.#ports.onFile?.(end.file);
      case "withheld": {
        const { reason, retry } = end;
        if (retry) this.#putOff(push);
        else this.#waiting.delete(id);
        return this.#tell(push, { id, name, code: "withdrawn", reason, retry });
      }
      case "refused":
        return this.#afterRefusal(push, end);
    }
  }

  /**
   * A server that does not hear why a push has to wait would hold others back for it, and one that asks while
   * the file is being stored may have lost the connection on which that would be said.
   */
  #takeAgain(push: WaitingPush, answer: PushAnswer): void {
    push.answer = answer;
    push.isRepeated = true;
    push.isAnswered = false;
    const isPutOff = push.notBefore > this.#ports.clock.now();
    if (isPutOff && push.refusal !== undefined) this.answer(push, push.refusal);
  }

  #check({ id, path, size, sha256 }: Omit<FrameOf<"PUSH">, "verb">): PushOffer | BadOffer {
    const { folder } = this.#ports;
    const offer = checkOffer(path, size);
    if ("code" in offer) return offer;
    const [name, ...more] = offer.path;
    if (name === undefined || more.length > 0) {
      return { code: "bad_name", reason: "A file of the server has one name and no folders" };
    }
    if (folder === undefined) {
      return { code: "denied", reason: "This machine takes no files (--no-push)" };
    }
    if (this.#waiting.size >= MAX_WAITING_PUSHES) {
      return { code: "busy", reason: `${MAX_WAITING_PUSHES} files wait for this machine already` };
    }
    return folder.refusal(offer.size) ?? { id, name, size: offer.size, sha256 };
  }

  #afterRefusal(push: WaitingPush, { code, reason }: BadOffer): void {
    const { id, name } = push.offer;
    push.refusal = { code, reason };
    if (code === "hash") push.damaged++;
    const retry = isForLater(code) || (code === "hash" && push.damaged < MAX_DAMAGED_TRIES);
    if (isForLater(code)) this.#putOff(push);
    if (!retry) this.#waiting.delete(id);
    this.#tell(push, { id, name, code, reason, retry });
  }

  #putOff(push: WaitingPush): void {
    push.notBefore = this.#ports.clock.now() + LATER_MS;
  }

  #tell(push: WaitingPush, refused: RefusedFile): void {
    if (refused.retry && push.told === refused.code) return;
    push.told = refused.code;
    this.#ports.onFileRefused?.(refused);
  }
}

function storedAnswer({ id, as, bytes, sha256 }: ReceivedFile): FrameOf<"STORED"> {
  return { verb: "STORED", id, as, bytes, sha256 };
}

/** Whether a refusal is about a disk that may be better another time. */
function isForLater(code: RejectCode): boolean {
  return code === "no_space" || code === "io";
}

/** What people may be shown of a name that the gate has refused. */
function shownName(path: unknown): string {
  const name = Array.isArray(path) ? path.join("/") : String(path);
  return name.slice(0, MAX_SHOWN_CHARS);
}
