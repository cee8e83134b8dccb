/**
 * What an operator does about alerts: acknowledge them, snooze machines, announce maintenance and planned absences.
 *
 * @module
 */

import { OperationError } from "../operation_error.ts";
import type { ServerParts } from "../parts.ts";
import type { Member } from "../roster.ts";
import { CalendarError, checkZone, localZone, parseWeeklyWindow } from "./calendar.ts";
import type { NewOverlay, Overlay, OverlayKind, OverlayTarget } from "./overlay.ts";
import { isActive } from "./overlay.ts";

/** What operators may have set at a time. */
const MAX_OVERLAYS = 1_000;
/** Longest note, in characters. */
const MAX_NOTE_CHARS = 500;
/** Longest name of whoever sets something, in characters. */
const MAX_BY_CHARS = 100;
/** Longest time for which something can be set, in milliseconds: a year. */
const MAX_FOR_MS = 366 * 24 * 3_600_000;
/** How long a snooze lasts unless it is said, in milliseconds. */
const SNOOZE_MS = 3_600_000;

/** Who does it, and why. */
export interface Author {
  by: string;
  note?: string | undefined;
}

/** For how long something is set: one of them. */
export interface Span {
  /** Milliseconds from now. */
  forMs?: number | undefined;
  /** Until the machine is back after it was away. */
  untilBack?: boolean | undefined;
  /** Every week in this window, such as `Sun 02:00-04:00`. */
  every?: string | undefined;
  /** The window's time zone; this machine's unless set. */
  zone?: string | undefined;
}

/** One thing that is set, as in `hbserver plan --json`. */
export interface OverlayView {
  /** Its number, for `hbserver plan --remove`. */
  id: number;
  /** What it is. */
  kind: OverlayKind;
  /** A client's name, `@tag` or `all`. */
  who: string;
  /** Whether it holds now. */
  active: boolean;
  /** When it was set. */
  at: string;
  /** When it ends; null when that is not known. */
  until: string | null;
  /** Whether it ends when the machine is back. */
  until_back: boolean;
  /** The weekly window; null for none. */
  every: string | null;
  /** The window's time zone. */
  zone: string | null;
  /** Who set it. */
  by: string;
  /** Why. */
  note: string | null;
}

/** What was acknowledged. */
export interface AckAnswer {
  /** Numbers of the alerts. */
  ids: number[];
  /** Names of the machines in them. */
  clients: string[];
}

/** How one channel took a test, as in `hbserver test-alert --json`. */
export interface TestView {
  /** Its name. */
  channel: string;
  state: "delivered" | "failed";
  /** Why it failed; null when it did not. */
  error: string | null;
  /** How long it took. */
  ms: number;
}

/** The operator's side of alerts. */
export class AlertOperations {
  readonly #parts: ServerParts;
  readonly #resolve: (who: string) => Member[];

  /** `resolve` finds whom an operator means, or throws. */
  constructor(parts: ServerParts, resolve: (who: string) => Member[]) {
    this.#parts = parts;
    this.#resolve = resolve;
  }

  /** Notes that somebody takes care of the open alerts of a client, a tag or all, or of one by its number (`#12`). */
  async acknowledge(who: string, { by, note, forMs }: Author & Span): Promise<AckAnswer> {
    const { alarm, clock, roster, timeline } = this.#parts;
    checkAuthor({ by, note });
    const at = clock.wall();
    const until = forMs === undefined ? undefined : at + checkFor(forMs);
    const alerts = this.#alertsOf(who);
    if (alerts.size === 0) {
      throw new OperationError(
        "not_found",
        `Cannot acknowledge "${who}": no alert is open there`,
        'see "hbserver alerts --open"',
      );
    }
    const ids = await alarm.acknowledge([...alerts.keys()], { by, note, at, until });
    const clients = [...new Set([...alerts.values()].flat())];
    const [only] = clients;
    const names = clients.map((client) => roster.get(client)?.record.name ?? client).sort();
    await timeline.audit("acknowledged", {
      client: clients.length === 1 ? only : undefined,
      ...{ ids, by, note, until: until === undefined ? undefined : new Date(until).toISOString() },
    });
    return { ids, clients: names };
  }

  /** Tells nobody of machines for a time; what is still open at its end is told then. */
  async snooze(
    who: string,
    { by, note, forMs = SNOOZE_MS }: Author & Span,
  ): Promise<OverlayView[]> {
    return await this.#set("snooze", { who, author: { by, note }, span: { forMs } });
  }

  /** Raises no alert for machines for a time, until they are back, or every week in a window. */
  async maintenance(who: string, { by, note, ...span }: Author & Span): Promise<OverlayView[]> {
    const { forMs, untilBack = false, every } = span;
    const given = [forMs !== undefined, untilBack, every !== undefined].filter(Boolean).length;
    if (given !== 1) {
      throw new OperationError(
        "bad_request",
        "Cannot set maintenance: it needs exactly one of --for, --until-back and --every",
      );
    }
    return await this.#set("maintenance", { who, author: { by, note }, span });
  }

  /** Expects machines to be away, and back after at most that time. */
  async plan(who: string, { by, note, forMs }: Author & Span): Promise<OverlayView[]> {
    if (forMs === undefined) {
      throw new OperationError("bad_request", "Cannot plan an absence: it needs --for");
    }
    return await this.#set("plan", { who, author: { by, note }, span: { forMs, untilBack: true } });
  }

  /** Sends a test notice to every channel at once, and says how each took it. */
  async test({ by }: Author): Promise<TestView[]> {
    const { clock, courier, newId, timeline } = this.#parts;
    checkAuthor({ by });
    const results = await courier.test({
      ...{ id: newId(), kind: "test", severity: "info", at: clock.wall() },
      ...{ alert: undefined, cause: undefined, clients: [], tags: [] },
      title: "Test of the alerts of hbserver",
      text: `TEST ${by} wants to know whether alerts of hbserver arrive here: this one did`,
    });
    if (results.length === 0) {
      throw new OperationError(
        "bad_request",
        "Cannot test alerts: no channel is configured besides the console and the log",
        "start hbserver with --alert URL",
      );
    }
    const views = results.map((result) => ({ ...result, error: result.error ?? null }));
    await timeline.audit("alert_tested", { by, results: views });
    return views;
  }

  /** Everything that is set. */
  plans(): OverlayView[] {
    return this.#parts.overlays.all().map((overlay) => this.#view(overlay));
  }

  /** Ends something before its time. */
  async remove(id: number, { by }: Author): Promise<OverlayView> {
    const { alarm, overlays, store, timeline } = this.#parts;
    const overlay = overlays.remove(id);
    if (overlay === undefined) {
      throw new OperationError(
        "not_found",
        `Cannot end ${id}: nothing that is set has that number`,
        'see "hbserver plan"',
      );
    }
    const view = this.#view(overlay);
    await store.removeOverlays([id]);
    await timeline.audit("overlay_removed", { ...view, by });
    await alarm.overlaysChanged();
    return view;
  }

  async #set(
    kind: OverlayKind,
    { who, author, span }: { who: string; author: Author; span: Span },
  ): Promise<OverlayView[]> {
    const { alarm, clock, overlays, store, timeline } = this.#parts;
    const { by, note } = author;
    checkAuthor(author);
    const at = clock.wall();
    const { forMs, untilBack = false } = span;
    const until = forMs === undefined ? undefined : at + checkFor(forMs);
    const weekly = readWindow(span);
    const targets = this.#targets(who, { untilBack });
    if (overlays.all().length + targets.length > MAX_OVERLAYS) {
      throw new OperationError(
        "queue_full",
        `Cannot set more: ${overlays.all().length} of at most ${MAX_OVERLAYS} are set already`,
        'end some with "hbserver plan --remove ID"',
      );
    }
    const views: OverlayView[] = [];
    for (const target of targets) {
      const overlay: NewOverlay = { kind, target, at, until, untilBack, weekly, by, note };
      const id = await store.addOverlay(overlay);
      overlays.add({ id, ...overlay });
      const view = this.#view({ id, ...overlay });
      const client = "client" in target ? target.client : undefined;
      await timeline.audit(`${kind}_set`, { client, ...view });
      views.push(view);
    }
    await alarm.overlaysChanged();
    return views;
  }

  /** What waits for a machine to come back is set for each one by itself. */
  #targets(who: string, { untilBack }: { untilBack: boolean }): OverlayTarget[] {
    const members = this.#resolve(who);
    if (!untilBack && who === "all") return [{ all: true }];
    if (!untilBack && who.startsWith("@")) return [{ tag: who.slice(1) }];
    return members.map(({ record }) => ({ client: record.id }));
  }

  /** Open alerts with the clients that are in them. */
  #alertsOf(who: string): Map<number, string[]> {
    const { alarm } = this.#parts;
    const number = who.match(/^#(\d+)$/)?.[1];
    const alerts = number === undefined
      ? this.#resolve(who).flatMap(({ record }) => [...alarm.alertsOf(record.id)])
      : [alarm.alert(Number(number)) ?? []].flat();
    return new Map(alerts.map(({ id, members }) => [id, [...members.keys()]]));
  }

  #view(overlay: Overlay): OverlayView {
    const { clock, roster } = this.#parts;
    const { id, kind, target, at, until, untilBack, weekly, by, note } = overlay;
    const who = "all" in target
      ? "all"
      : "tag" in target
      ? `@${target.tag}`
      : roster.get(target.client)?.record.name ?? target.client;
    return {
      ...{ id, kind, who, active: isActive(overlay, clock.wall()) },
      at: new Date(at).toISOString(),
      until: until === undefined ? null : new Date(until).toISOString(),
      until_back: untilBack,
      every: weekly?.text ?? null,
      zone: weekly?.zone ?? null,
      by,
      note: note ?? null,
    };
  }
}

function readWindow({ every, zone }: Span): Overlay["weekly"] {
  if (every === undefined) return undefined;
  try {
    return parseWeeklyWindow(every, checkZone(zone ?? localZone()));
  } catch (error) {
    if (!(error instanceof CalendarError)) throw error;
    throw new OperationError("bad_request", error.message);
  }
}

function checkFor(forMs: number): number {
  if (forMs > 0 && forMs <= MAX_FOR_MS) return forMs;
  throw new OperationError(
    "bad_request",
    "Cannot set that as --for must be above 0 and at most a year",
  );
}

function checkAuthor({ by, note }: Author): void {
  const isNamed = by !== "" && by.length <= MAX_BY_CHARS;
  if (isNamed && (note === undefined || note.length <= MAX_NOTE_CHARS)) return;
  throw new OperationError(
    "bad_request",
    isNamed
      ? `Cannot keep a note as it must be <= ${MAX_NOTE_CHARS} characters: it has ${note?.length}`
      : `Cannot tell who does this: a name has 1 to ${MAX_BY_CHARS} characters`,
  );
}
