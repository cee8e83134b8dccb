/**
 * One file offered by FILE, from the offer to STORED: whether it is welcome, where it goes on, its bytes, and
 * its publication, which the next offer need not wait for.
 *
 * @module
 */

import {
  byteStream,
  checkOffer,
  type FrameOf,
  type Offer,
  type OutgoingFrame,
  ProtocolError,
  pumpBytes,
} from "../protocol/mod.ts";
import { failpoint } from "../platform/failpoint.ts";
import type { DataPort } from "./data_port.ts";
import type { IncomingFile } from "./incoming_file.ts";
import type { AcceptedManifest } from "./receive_manifest.ts";
import { recordFile } from "./record_file.ts";
import { busy, TransferError } from "./transfer_error.ts";

/** One transfer that is welcome. */
interface Transfer {
  id: string;
  size: number;
  file: IncomingFile;
  /** Lets the transfer go, for whoever wants it next. */
  lock: Disposable;
}

/** Whether the session goes on. */
export type Continuation = "next" | "over";

/** Receives the files of one data session, one after the other. */
export class FileReceiver {
  readonly #port: DataPort;

  /** Takes the session that the files come on. */
  constructor(port: DataPort) {
    this.#port = port;
  }

  /** Serves one offer; rejects with what broke the connection. */
  async receive(
    frame: FrameOf<"FILE">,
    manifest: AcceptedManifest | undefined,
  ): Promise<Continuation> {
    const { id } = frame;
    try {
      const { offer, folder } = this.#check(frame, manifest);
      if (!this.#port.takePlace()) throw busy();
      const lock = await this.#port.lock(id);
      using stack = new DisposableStack();
      stack.use(lock);
      using working = this.#port.working();
      if (await this.#isStored(id)) return "next";
      const file = await this.#open({
        id,
        offer,
        folder,
        manifest: frame.manifest === undefined ? undefined : manifest,
      });
      stack.move();
      working[Symbol.dispose]();
      return await this.#take({ id, size: offer.size, file, lock });
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      this.#port.reject(id, error);
      return "next";
    }
  }

  #check(
    { id, path, size, manifest: named }: FrameOf<"FILE">,
    manifest: AcceptedManifest | undefined,
  ): { offer: Offer; folder: string | undefined } {
    const offer = checkOffer(path, size);
    if ("code" in offer) throw new TransferError(offer.code, offer.reason);
    const refusal = this.#port.parts.vault.refusal(offer);
    if (refusal !== undefined) throw new TransferError(refusal.code, refusal.reason);
    if (named === undefined) return { offer, folder: undefined };
    if (manifest?.id !== named || !manifest.announces(id, offer)) {
      throw new TransferError("bad_name", "The manifest does not announce this file");
    }
    return { offer, folder: manifest.folder };
  }

  /** Answers an offer of what is stored already; whether it is. */
  async #isStored(id: string): Promise<boolean> {
    const { parts, member, answers } = this.#port;
    const stored = await parts.store.receivedFile(member.record.id, id);
    if (stored === undefined) return false;
    const { name, bytes, sha256 } = stored;
    const as = name.slice(name.lastIndexOf("/") + 1);
    await answers.add(() => Promise.resolve([{ verb: "STORED", id, as, bytes, sha256 }]));
    return true;
  }

  async #open(transfer: {
    id: string;
    offer: Offer;
    folder: string | undefined;
    manifest: AcceptedManifest | undefined;
  }): Promise<IncomingFile> {
    const { id, offer, folder, manifest } = transfer;
    const { vault } = this.#port.parts;
    const owner = this.#port.member.record;
    const here = await vault.partialBytes(owner, id);
    using stack = new DisposableStack();
    const room = manifest === undefined
      ? stack.use(await vault.reserve(owner, Math.max(0, offer.size - here)))
      : manifest.roomOfOne();
    const file = await vault.open(owner, { id, offer, room, folder });
    stack.move();
    return file;
  }

  /** Agrees on an offset, takes the bytes, and hands the whole file to be published. */
  async #take(transfer: Transfer): Promise<Continuation> {
    const { id, size, file, lock } = transfer;
    await using stack = new AsyncDisposableStack();
    stack.use(lock);
    stack.defer(() => this.#count(file));
    stack.use(file);
    using receiving = this.#port.receiving(id);
    const offset = await this.#agree(transfer);
    if (typeof offset === "string") return offset;
    this.#port.send({ verb: "READY", id, offset });
    if (!await this.#takeBytes(transfer, size - offset)) return "over";
    const sum = await this.#sum(transfer);
    if (sum === undefined) {
      await file.discard();
      return "next";
    }
    const held = stack.move();
    receiving[Symbol.dispose]();
    await this.#port.answers.add(async () => {
      await using _held = held;
      return [await this.#finish(transfer, sum)];
    });
    return "next";
  }

  /** Where the sender goes on (HB-111), or how the session does when the sender does not. */
  async #agree({ id, file }: Transfer): Promise<number | Continuation> {
    for (const offset of file.proposals) {
      this.#port.send({ verb: "READY", id, offset });
      using _checking = this.#port.checking(offset);
      // Both to their ends: an answer that nobody reads would be taken for the next offer's.
      const [theirs, ours] = await Promise.allSettled([
        this.#prefix(id, offset),
        file.prefixSha256(offset),
      ]);
      if (theirs.status === "rejected") throw theirs.reason;
      if (theirs.value === "next") await file.discard();
      if (theirs.value === "next" || theirs.value === "over") return theirs.value;
      if (ours.status === "rejected") throw ours.reason;
      if (theirs.value !== ours.value) continue;
      await file.continueAt(offset);
      return offset;
    }
    await file.continueAt(0);
    return 0;
  }

  /** The digest of the sender's first bytes; "next" when it withdraws the file, "over" when it leaves. */
  async #prefix(id: string, offset: number): Promise<string> {
    const frame = await this.#port.frames.next();
    if (frame === null || frame.verb === "END" || frame.verb === "BYE") return "over";
    if (frame.verb === "CANCEL" && frame.id === id) return "next";
    if (frame.verb === "PREFIX" && frame.id === id && frame.offset === offset) return frame.sha256;
    throw new ProtocolError("unexpected", `Cannot take ${frame.verb} as PREFIX must follow READY`);
  }

  /** Takes exactly the announced bytes; false when they could not be written and the session is over. */
  async #takeBytes({ id, file }: Transfer, length: number): Promise<boolean> {
    const { connection } = this.#port;
    try {
      const bytes = byteStream(connection.reader, { length });
      await pumpBytes(bytes, (chunk) => file.write(chunk));
      return true;
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      this.#port.reject(id, error, { offset: await file.suspend() });
      // The bytes still on their way cannot be told from frames, so the connection ends with the word.
      await this.#port.drainAndClose();
      return false;
    }
  }

  /** The SUM behind the bytes; undefined when the sender withdraws the file instead. */
  async #sum({ id, size }: Transfer): Promise<FrameOf<"SUM"> | undefined> {
    const frame = await this.#port.connection.readFrame();
    if (frame?.verb === "CANCEL" && frame.id === id) return undefined;
    if (frame?.verb === "SUM" && frame.id === id && frame.bytes === size) return frame;
    throw new ProtocolError(
      frame === null ? "truncated" : "surplus",
      `Cannot take ${frame?.verb ?? "the end of the stream"} as SUM must follow the ${size} ` +
        "announced bytes",
    );
  }

  /** What has gone, or stays unfinished, is counted when it matters the next time. */
  #count(file: IncomingFile): void {
    if (!file.isSettled) this.#port.parts.vault.recount(this.#port.member.record);
  }

  /** Publishes and records; the answer, whatever it is. */
  async #finish({ id, size, file }: Transfer, sum: FrameOf<"SUM">): Promise<OutgoingFrame> {
    const { parts, member } = this.#port;
    try {
      const published = await file.publish(sum.sha256);
      await recordFile(published, { id, member, parts });
      failpoint("before_stored");
      await file.settle();
      return { verb: "STORED", id, as: published.as, bytes: size, sha256: published.sha256 };
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      if (error.code !== "hash") return this.#port.rejection(id, error, await file.suspend());
      // Nobody can tell which of the bytes are wrong.
      await file.discard();
      return this.#port.rejection(id, error);
    }
  }
}
