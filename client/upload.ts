/**
 * Sends files and folders over one data connection after another, as many as it takes, and says what became of
 * each. What is not done when it ends is remembered, and goes on when the same is sent again.
 *
 * @module
 */

import { basename, resolve } from "node:path";
import { type Clock, type Random, sleep } from "../platform/clock.ts";
import { uuidV7 } from "../platform/random.ts";
import { CannotConnectError, ClientError, RefusedError } from "./client_error.ts";
import { ConnectionEndedError, DataConnection } from "./data_connection.ts";
import type { Dialled } from "./dial.ts";
import { EXIT } from "./exit_code.ts";
import { FileTransfer, type FileTransferPorts, limitOf, OtherFileError } from "./file_transfer.ts";
import { planManifest, rememberedFiles } from "./manifest_plan.ts";
import { ManyTransfer } from "./many_transfer.ts";
import { busyPause, Patience, type Pause } from "./patience.ts";
import { backgroundSources, type SourceAccess } from "./source_access.ts";
import { openSource, type SourceFile } from "./source_file.ts";
import { type ManyRequest, type ManyResult, Tally } from "./tally.ts";
import { changed, cutOff, replaced, TransferError } from "./transfer_error.ts";
import type { UploadMemory } from "./upload_memory.ts";
import type { StoredFile, UploadProgress } from "./upload_progress.ts";

export type { StoredFile, UploadPhase, UploadProgress } from "./upload_progress.ts";

/** What an {@linkcode Uploader} works with. */
export interface UploadPorts {
  /** Time. */
  clock: Clock;
  /** Chance. */
  random: Random;
  /** Opens one connection of role `data`. */
  connect: (signal?: AbortSignal) => Promise<Pick<Dialled, "connection">>;
  /** Remembers what is not done; without it nothing goes on after this process. */
  memory?: UploadMemory;
  /** Reads many small files. @default {backgroundSources} */
  access?: SourceAccess;
  /** Called when there is something to say besides. */
  onNotice?: (notice: string) => void;
  /** Called whenever another phase begins; `progress` tells which. */
  onPhase?: () => void;
  /** Pauses everything: what the server has got, it keeps. */
  signal?: AbortSignal;
}

/** Longest wait while the server has too many data connections, in milliseconds. */
export const BUSY_LIMIT_MS = 60_000;
/** Time for END to leave, in milliseconds. */
const END_LIMIT_MS = 2_000;
/** Time for a fresh connection that takes an upload back, in milliseconds. */
const CANCEL_LIMIT_MS = 5_000;
/** REJECT codes after which the same upload may go on later. */
const RESUMABLE_CODES: readonly string[] = ["no_space", "quota", "io", "lost", "stalled", "full"];

/** An upload and what it needs of one connection after another. */
interface Job {
  /** The path as the person named it. */
  path: string;
  /** What it is remembered under. */
  key: string;
  /** The id of the transfer or manifest. */
  id: string;
  /** The transfer that this one stands in for, until the server has been told. */
  withdrawn: string | undefined;
}

/** Sends one thing after the other; closes its connection when disposed of. */
export class Uploader implements AsyncDisposable {
  readonly #ports: UploadPorts;
  #connection: DataConnection | undefined;
  #hasConnected = false;
  #stopped: AbortController | undefined;
  #progress: () => UploadProgress | undefined = () => undefined;
  #lastId = "";
  #unfinished: Job | undefined;
  #partial: () => string | undefined = () => undefined;

  /** Connects when the first file is sent. */
  constructor(ports: UploadPorts) {
    this.#ports = ports;
  }

  /** How far it is with what is being sent; undefined in between. */
  get progress(): UploadProgress | undefined {
    return this.#progress();
  }

  /** The id of what was sent last, or is being sent. */
  get lastId(): string {
    return this.#lastId;
  }

  /** Sends one file and resolves once the server has stored it; rejects with a `ClientError`. */
  async send(path: string): Promise<StoredFile> {
    this.#lastId = uuidV7(this.#ports.clock);
    const source = await openSource(path);
    using _file = source.file;
    const job = this.#begin(path, source);
    return await this.#persist(job, (ports) => this.#sendFile(job, { source, ports }));
  }

  /**
   * Sends many files under one manifest; resolves when each is stored or has failed, rejects with a `ClientError`
   * when they are refused as a whole or nothing more can be sent.
   */
  async sendMany(request: ManyRequest): Promise<ManyResult> {
    const { memory, access = backgroundSources } = this.#ports;
    const { path, key, folder, walked } = request;
    const before = memory?.find(key);
    const id = before?.kind === "many" ? before.id : uuidV7(this.#ports.clock);
    const stored = before?.kind === "many" ? memory?.stored(id) : undefined;
    const remembered = before?.kind === "many" ? memory?.files(id) : undefined;
    this.#lastId = id;
    const plan = planManifest(walked, { path, folder, remembered: remembered ?? [] });
    const tally = new Tally(request, { id, plan, stored: stored ?? new Set() });
    if (plan.files.length === 0 && folder === undefined) return tally.result(undefined);
    const withdrawn = before?.kind === "file" ? before.id : undefined;
    const job: Job = { path, key, id, withdrawn };
    memory?.begin(key, { id, kind: "many", size: 0, mtime: 0 }, rememberedFiles(plan.files));
    const transfer = new ManyTransfer({
      id,
      path,
      plan,
      stored: tally.before,
      access,
      memory,
      onStored: (file) => tally.stored(file),
      onFailed: (failure) => tally.failed(failure),
    });
    this.#partial = () => transfer.partial;
    await this.#persist(job, (ports) => {
      this.#progress = () => transfer.progress;
      return transfer.run(ports);
    });
    return tally.result(transfer.as);
  }

  /**
   * Takes back what was not finished when `abort()` was called: the server deletes what it has of it. False when
   * there is nothing to take back, or the server cannot be told.
   */
  async cancel(): Promise<boolean> {
    const job = this.#unfinished;
    if (job === undefined) return false;
    this.#unfinished = undefined;
    this.#ports.memory?.forget(job.key);
    const controller = new AbortController();
    using _limit = this.#ports.clock.after(CANCEL_LIMIT_MS, () => controller.abort());
    try {
      const { connection } = await this.#ports.connect(controller.signal);
      using data = new DataConnection(connection, this.#ports.clock);
      data.send({ verb: "CANCEL", id: job.id });
      const partial = this.#partial();
      if (partial !== undefined) data.send({ verb: "CANCEL", id: partial });
      data.send({ verb: "END" });
      await data.finish(END_LIMIT_MS);
      return true;
    } catch (error) {
      if (error instanceof ClientError || controller.signal.aborted) return false;
      throw error;
    }
  }

  /** Tells the server that no more files come, and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection === undefined || connection.ending !== undefined) return;
    connection.send({ verb: "END" });
    await connection.finish(END_LIMIT_MS);
    connection[Symbol.dispose]();
  }

  /** Closes at once, for a person who does not want to wait; the server keeps what it has got. */
  abort(): void {
    this.#stopped?.abort(
      new ClientError("Cannot go on sending: it was stopped", { code: "stopped" }),
    );
    this.#drop();
  }

  /** Chooses the id: that of an earlier try with the same file, or a new one. */
  #begin(path: string, { size, mtime = -1 }: SourceFile): Job {
    const { memory, onNotice } = this.#ports;
    const key = resolve(path);
    const before = memory?.find(key);
    const job: Job = { path, key, id: this.#lastId, withdrawn: undefined };
    if (before?.kind === "file" && before.size === size && before.mtime === Math.trunc(mtime)) {
      job.id = before.id;
    } else if (before !== undefined) {
      job.withdrawn = before.id;
      onNotice?.(`${path} has changed since; starting over`);
    }
    this.#remember(job, { size, mtime });
    return job;
  }

  #remember(job: Job, { size, mtime = -1 }: { size: number; mtime: number | undefined }): void {
    this.#lastId = job.id;
    this.#ports.memory?.begin(job.key, {
      id: job.id,
      kind: "file",
      size,
      mtime: Math.trunc(mtime),
    });
  }

  async #sendFile(
    job: Job,
    { source, ports }: { source: SourceFile; ports: FileTransferPorts },
  ): Promise<StoredFile> {
    const { path } = job;
    const { connection } = ports;
    const { size, mtime } = await source.file.stat();
    if (size !== source.size || mtime?.getTime() !== source.mtime) {
      connection.send({ verb: "CANCEL", id: job.id });
      throw changed(path, { keepsConnection: true });
    }
    try {
      return await this.#offer(job, { source, ports });
    } catch (error) {
      if (!(error instanceof OtherFileError)) throw error;
      ports.onNotice(`The server stored another file instead of ${path}; starting over`);
      job.id = uuidV7(ports.clock);
      this.#remember(job, source);
      return await this.#offer(job, { source, ports });
    }
  }

  async #offer(
    { path, id }: Job,
    { source, ports }: { source: SourceFile; ports: FileTransferPorts },
  ): Promise<StoredFile> {
    using transfer = new FileTransfer({ path, id, name: [basename(path)], source }, ports);
    this.#progress = () => transfer.progress;
    using _watch = ports.connection.watchProgress(() => limitOf(transfer));
    await transfer.send();
    return await transfer.stored();
  }

  /** Runs `attempt` over one connection after another until it is done or there is no point in going on. */
  async #persist<T>(job: Job, attempt: (ports: FileTransferPorts) => Promise<T>): Promise<T> {
    const { memory } = this.#ports;
    const stopped = this.#stopped = new AbortController();
    const signal = anyOf(this.#ports.signal, stopped.signal);
    const patience = new Patience(this.#ports);
    this.#unfinished = job;
    let held = 0;
    const onHeld = (bytes: number) => {
      if (bytes > held) patience.progressed();
      held = Math.max(held, bytes);
    };
    try {
      while (true) {
        try {
          const connection = await this.#connected(signal);
          if (job.withdrawn !== undefined) connection.send({ verb: "CANCEL", id: job.withdrawn });
          job.withdrawn = undefined;
          const done = await attempt(this.#portsOf({ connection, onHeld, signal }));
          this.#finish(job);
          return done;
        } catch (error) {
          if (!(error instanceof TransferError && error.keepsConnection)) this.#drop();
          signal.throwIfAborted();
          if (!this.#isTransient(error)) throw this.#settled(job, error);
          if (memory?.holds(job.key) === false) throw replaced(job.path);
          await this.#pause(error, { job, pause: patience.next(), signal });
        }
      }
    } finally {
      this.#progress = () => undefined;
    }
  }

  #portsOf(
    own: Pick<FileTransferPorts, "connection" | "onHeld" | "signal">,
  ): FileTransferPorts {
    const { clock, random, onNotice, onPhase } = this.#ports;
    return {
      ...own,
      clock,
      random,
      onNotice: (notice) => onNotice?.(notice),
      onPhase: () => onPhase?.(),
    };
  }

  #finish(job: Job): void {
    this.#unfinished = undefined;
    this.#ports.memory?.forget(job.key);
  }

  /** Forgets what cannot go on later; returns the error. */
  #settled(job: Job, error: unknown): unknown {
    const isResumable = error instanceof ClientError && RESUMABLE_CODES.includes(error.code);
    const isTakenOver = error instanceof TransferError && error.code === "replaced";
    if (error instanceof TransferError && !isResumable && !isTakenOver) this.#finish(job);
    return error;
  }

  /** Whether the next try may find things better by itself. */
  #isTransient(error: unknown): boolean {
    if (error instanceof ConnectionEndedError) return true;
    if (!this.#hasConnected) return false;
    return error instanceof CannotConnectError ||
      (error instanceof RefusedError && error.code === "closed");
  }

  /** Waits before the next try; rejects when the time for tries is over. */
  async #pause(
    error: unknown,
    { job, pause, signal }: { job: Job; pause: Pause | undefined; signal: AbortSignal },
  ): Promise<void> {
    const { clock, onNotice, onPhase } = this.#ports;
    const last = this.#progress();
    if (pause === undefined) throw givenUp(error, job.path, last);
    this.#progress = () => last === undefined ? undefined : { ...last, phase: "waiting" };
    onPhase?.();
    // Said once until something moves again.
    if (pause.isFirst) {
      const words = error instanceof Error ? error.message : String(error);
      onNotice?.(`Sending ${job.path} was interrupted (${words}); trying again`);
    }
    await sleep(clock, pause.ms, signal);
  }

  #drop(): void {
    this.#connection?.[Symbol.dispose]();
    this.#connection = undefined;
  }

  async #connected(signal: AbortSignal): Promise<DataConnection> {
    if (this.#connection !== undefined && this.#connection.ending === undefined) {
      return this.#connection;
    }
    const { clock } = this.#ports;
    const { connection } = await this.#connectPatiently(signal);
    this.#hasConnected = true;
    return this.#connection = new DataConnection(connection, clock);
  }

  /** Waits while the server has as many data connections of this client as it allows. */
  async #connectPatiently(signal: AbortSignal): Promise<Pick<Dialled, "connection">> {
    const { clock, random, connect, onNotice } = this.#ports;
    const deadline = clock.now() + BUSY_LIMIT_MS;
    let isFirst = true;
    while (true) {
      try {
        return await connect(signal);
      } catch (error) {
        if (!(error instanceof RefusedError) || error.code !== "full") throw error;
        const pause = busyPause(random);
        if (clock.now() + pause > deadline) {
          throw new ClientError(error.message, {
            exitCode: EXIT.timeout,
            code: "full",
            hint: "Try again later",
            cause: error,
          });
        }
        if (isFirst) onNotice?.("The server is busy with other files of this machine; waiting");
        isFirst = false;
        await sleep(clock, pause, signal);
      }
    }
  }
}

function anyOf(signal: AbortSignal | undefined, own: AbortSignal): AbortSignal {
  return signal === undefined ? own : AbortSignal.any([signal, own]);
}

function givenUp(error: unknown, path: string, last: UploadProgress | undefined): unknown {
  if (!(error instanceof Error)) return error;
  const code = error instanceof ConnectionEndedError ? error.code : "lost";
  const { sent = 0, size = 0 } = last ?? {};
  return cutOff(path, { reason: error.message, code, sent, size, cause: error });
}
