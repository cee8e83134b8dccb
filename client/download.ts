/**
 * One pushed file on its way from the server, from FETCH to STORED. Not the queue of them, which is `receive.ts`.
 *
 * @module
 */

import { DurableFileError, type StagedFile } from "../platform/durable_file.ts";
import { failpoint } from "../platform/failpoint.ts";
import {
  byteStream,
  type FrameOf,
  MAX_REASON_CHARS,
  ProtocolError,
  pumpBytes,
  type RejectCode,
  SLOWEST_PREFIX_BYTES_PER_MS,
} from "../protocol/mod.ts";
import { type DownloadConnection, DownloadLostError } from "./download_connection.ts";
import type { ReceivedFile } from "./store.ts";

/** A pushed file, checked. */
export interface PushOffer {
  /** The push's UUID. */
  id: string;
  /** Its name, which has passed the gate. */
  name: string;
  /** Its size in bytes. */
  size: number;
  /** SHA-256 of its bytes in lower-case hex. */
  sha256: string;
}

/** How a download ended, its connection being as good as before unless it is closed. */
export type DownloadEnd =
  /** It is on disk, recorded, and the server has been told. */
  | { kind: "stored"; file: ReceivedFile }
  /** The server has no place; it is to be asked again. */
  | { kind: "busy" }
  /** The server does not send it, now (`retry`) or ever. */
  | { kind: "withheld"; reason: string; retry: boolean }
  /** This machine could not store it, and has told the server. */
  | { kind: "refused"; code: RejectCode; reason: string };

/** What a {@linkcode Download} works with. */
export interface DownloadPorts {
  /** Where the bytes gather; the caller disposes of it. */
  staged: Pick<
    StagedFile,
    "proposals" | "prefixSha256" | "continueAt" | "write" | "settle" | "suspend" | "discard"
  >;
  /** Gives the complete file its final name. */
  publish: () => Promise<ReceivedFile>;
  /** Notes durably that the file lies on this machine; whether that was possible. */
  record: (file: ReceivedFile) => boolean;
  /** Told of bytes that were written. */
  onWritten: (bytes: number) => void;
  /** Called when bytes begin to come, with the offset of the first. */
  onBegin: (offset: number) => void;
  /** Whether a file that arrives damaged may be fetched once more. */
  mayRepeat: boolean;
}

/** What the server and people are told when the bytes cannot be stored. */
const REASONS: Partial<Record<RejectCode, string>> = {
  no_space: "The client's disk is full",
  denied: "The client may not write to its folder for received files",
  hash: "The bytes that arrived are not those that were offered (SHA-256 differs)",
  io: "The client could not write the file to its disk",
};

/** Fetches one file; `prepare()` once, then `run()`, again after "busy". */
export class Download {
  readonly #offer: PushOffer;
  readonly #ports: DownloadPorts;
  /** Offsets not yet proposed, the largest first. */
  readonly #proposals: number[];
  /** What is proposed, with the digest of the bytes up to there; 0 has none. */
  #proposed: { offset: number; sha256?: string } = { offset: 0 };

  /** Sends nothing and reads nothing. */
  constructor(offer: PushOffer, ports: DownloadPorts) {
    this.#offer = offer;
    this.#ports = ports;
    const { proposals } = ports.staged;
    this.#proposals = proposals.filter((offset) => offset > 0 && offset <= offer.size);
  }

  /** Reads what is there from before, which takes its time and so must not keep the server waiting. */
  async prepare(): Promise<void> {
    this.#proposed = await this.#nextProposal();
  }

  /** Fetches the file over `link`; rejects with `DownloadLostError` when that ends. */
  async run(link: DownloadConnection): Promise<DownloadEnd> {
    const start = await this.#agree(link);
    if (typeof start !== "number") return start;
    this.#ports.onBegin(start);
    let sum: FrameOf<"SUM"> | DownloadEnd;
    {
      using _watch = link.watch();
      const failure = await this.#takeBytes(link, start);
      if (failure !== undefined) return await this.#refuseMidway(failure, link);
      sum = await this.#takeSum(link);
    }
    if ("kind" in sum) return sum;
    if (sum.sha256 !== this.#offer.sha256) return await this.#refuseDamaged(link);
    return await this.#store(link);
  }

  /** The offset from which the server sends, or how the download ended before a byte. */
  async #agree(link: DownloadConnection): Promise<number | DownloadEnd> {
    const { id } = this.#offer;
    let agreed = this.#proposed.offset === 0 ? 0 : undefined;
    link.send({ verb: "FETCH", id, offset: this.#proposed.offset });
    while (true) {
      using _watch = link.watch(this.#proposed.offset / SLOWEST_PREFIX_BYTES_PER_MS);
      const answer = await link.next(id);
      if (answer.verb === "REJECT") return await this.#onReject(answer);
      if (answer.verb === "CANCEL") return await this.#withdrawn();
      if (answer.verb === "READY" && answer.offset === agreed) return agreed;
      const isAsked = agreed === undefined && answer.verb === "PREFIX" &&
        answer.offset === this.#proposed.offset;
      if (!isAsked) throw outOfPlace(answer.verb);
      const isSame = answer.sha256 === this.#proposed.sha256;
      if (isSame) link.send({ verb: "READY", id, offset: answer.offset });
      else await this.#proposeNext(link);
      if (isSame || this.#proposed.offset === 0) agreed = this.#proposed.offset;
    }
  }

  /** Proposes less; the server reads its own bytes while this machine does. */
  async #proposeNext(link: DownloadConnection): Promise<void> {
    const offset = this.#proposals[0] ?? 0;
    link.send({ verb: "READY", id: this.#offer.id, offset });
    this.#proposed = await this.#nextProposal();
  }

  async #nextProposal(): Promise<{ offset: number; sha256?: string }> {
    const offset = this.#proposals.shift();
    if (offset === undefined) return { offset: 0 };
    try {
      return { offset, sha256: await this.#ports.staged.prefixSha256(offset) };
    } catch (error) {
      if (!(error instanceof DurableFileError)) throw error;
      // What cannot be read cannot be gone on with: without a digest no PREFIX matches.
      return { offset };
    }
  }

  /** Writes everything up to the announced size; resolves with why it could not be written. */
  async #takeBytes(link: DownloadConnection, start: number): Promise<DurableFileError | undefined> {
    const { staged, onWritten } = this.#ports;
    try {
      await staged.continueAt(start);
      const bytes = byteStream(link.reader, { length: this.#offer.size - start });
      await pumpBytes(bytes, async (chunk) => {
        const { length } = chunk;
        const spare = await staged.write(chunk);
        onWritten(length);
        return spare;
      });
      return undefined;
    } catch (error) {
      if (error instanceof DurableFileError) return error;
      if (!(error instanceof ProtocolError)) throw error;
      throw link.loss;
    }
  }

  async #takeSum(link: DownloadConnection): Promise<FrameOf<"SUM"> | DownloadEnd> {
    const { id, size } = this.#offer;
    const frame = await link.nextBehindBytes(id);
    if (frame.verb === "CANCEL") return await this.#withdrawn();
    if (frame.verb === "SUM" && frame.bytes === size) return frame;
    throw outOfPlace(frame.verb);
  }

  async #store(link: DownloadConnection): Promise<DownloadEnd> {
    const { staged, publish, record } = this.#ports;
    let file: ReceivedFile;
    try {
      file = await publish();
    } catch (error) {
      if (!(error instanceof DurableFileError)) throw error;
      if (error.code === "hash") return await this.#refuseDamaged(link);
      return this.#refuse(link, error.code, await staged.suspend());
    }
    failpoint("before_record");
    // Under the same id the file is found again, whole, and only the record is made.
    if (!record(file)) return this.#refuse(link, "io");
    await staged.settle();
    const { id, as, bytes, sha256 } = file;
    failpoint("before_stored");
    link.send({ verb: "STORED", id, as, bytes, sha256 });
    return { kind: "stored", file };
  }

  /** Bytes that are still on their way cannot be told from frames, so the connection ends with the word. */
  async #refuseMidway(error: DurableFileError, link: DownloadConnection): Promise<DownloadEnd> {
    const end = this.#refuse(link, error.code, await this.#ports.staged.suspend());
    await link.drain();
    return end;
  }

  async #refuseDamaged(link: DownloadConnection): Promise<DownloadEnd> {
    await this.#ports.staged.discard();
    return this.#refuse(link, "hash");
  }

  #refuse(link: DownloadConnection, code: RejectCode, offset?: number): DownloadEnd {
    const { id } = this.#offer;
    const reason = REASONS[code] ?? "The client could not store the file";
    const retry = code === "no_space" || code === "io" ||
      (code === "hash" && this.#ports.mayRepeat);
    const kept = offset === undefined ? {} : { offset };
    link.send({ verb: "REJECT", id, code, reason, retry, ...kept });
    return { kind: "refused", code, reason };
  }

  async #onReject({ code, reason, retry }: FrameOf<"REJECT">): Promise<DownloadEnd> {
    if (code === "busy") return { kind: "busy" };
    if (!retry) await this.#ports.staged.discard();
    return { kind: "withheld", reason, retry };
  }

  async #withdrawn(): Promise<DownloadEnd> {
    await this.#ports.staged.discard();
    return { kind: "withheld", reason: "the server has withdrawn it", retry: false };
  }
}

function outOfPlace(verb: string): DownloadLostError {
  return new DownloadLostError(
    `the server broke the protocol with ${verb.slice(0, MAX_REASON_CHARS)}`,
  );
}
