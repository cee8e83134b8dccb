import { assert, assertEquals } from "@std/assert";
import { FakeClock } from "../../platform/fake_clock.ts";
import { timingOf } from "../presence.ts";
import { Watch } from "../watch.ts";
import { AlertBook } from "./alert_book.ts";
import { noticeOf } from "./alert_notice.ts";
import { parseWeeklyWindow } from "./calendar.ts";
import type { AlertSubject } from "./failure_group.ts";
import type { Notice } from "./notice.ts";
import type { AlertStep } from "./open_alert.ts";
import type { NewOverlay } from "./overlay.ts";
import { OverlaySet } from "./overlay_set.ts";

const P = 20_000;
const MINUTE = 60_000;

/** Machines that beat, the watch over them, and the book of their alerts, by a clock that stands still. */
class Fleet implements Disposable {
  readonly clock: FakeClock;
  readonly overlays = new OverlaySet();
  readonly watch: Watch;
  readonly book: AlertBook;
  readonly notices: Notice[] = [];
  readonly #subjects = new Map<string, AlertSubject>();
  readonly #beatsAt = new Map<string, number>();
  #ids = 0;

  constructor(wall?: number) {
    this.clock = new FakeClock(wall === undefined ? {} : { wall });
    const timing = timingOf(P);
    const subject = (client: string) => this.#subjects.get(client);
    const forgive = (client: string) => this.watch.event(client, { kind: "forgiven" });
    this.book = new AlertBook({ timing, overlays: this.overlays, subject, forgive });
    this.watch = new Watch({
      clock: this.clock,
      timing,
      onChange: (change) => this.#take(this.book.presence(change, this.moment)),
      onDoubt: () => {},
    });
  }

  get moment() {
    return { now: this.clock.now(), wall: this.clock.wall() };
  }

  /** Notices so far as `kind title`, each once. */
  told(): string[] {
    return this.notices.splice(0).map(({ kind, title }) => `${kind} ${title}`);
  }

  /** Connects machines whose beats are spread over the interval. */
  join(names: string[], { block = "10.1.1", tags = [] as string[] } = {}): void {
    names.forEach((name, index) => {
      this.#subjects.set(name, { name, tags, address: `${block}.${index + 1}` });
      this.watch.event(name, { kind: "connected", watched: true });
      this.#beatsAt.set(name, this.clock.now() + (index * P) / names.length);
    });
  }

  /** They beat no more. */
  silence(...names: string[]): void {
    for (const name of names) this.#beatsAt.delete(name);
  }

  /** Their connections close without a goodbye. */
  lose(...names: string[]): void {
    this.silence(...names);
    for (const name of names) this.watch.event(name, { kind: "lost" });
  }

  /** They connect and beat twice, and go on. */
  back(...names: string[]): void {
    for (const name of names) {
      this.watch.event(name, { kind: "connected", watched: true });
      for (let beat = 0; beat < 2; beat++) this.watch.event(name, { kind: "beat" });
      this.#beatsAt.set(name, this.clock.now() + P);
    }
  }

  /** Lets time pass, with beats, in steps of at most a second. */
  async wait(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    while (this.clock.now() < end) {
      const next = Math.min(end, ...this.#beatsAt.values(), this.#due());
      await this.clock.advance(Math.max(0, next - this.clock.now()));
      for (const [name, at] of this.#beatsAt) {
        if (at > this.clock.now()) continue;
        this.watch.event(name, { kind: "beat" });
        this.#beatsAt.set(name, this.clock.now() + P);
      }
      if (this.#due() <= this.clock.now()) this.tick();
    }
  }

  tick(): void {
    this.#take(this.book.tick(this.moment));
  }

  set(overlay: Partial<NewOverlay> & Pick<NewOverlay, "kind" | "target">): number {
    const nothing = { until: undefined, untilBack: false, weekly: undefined, note: undefined };
    const id = ++this.#ids;
    this.overlays.add({ id, at: this.clock.wall(), by: "kim", ...nothing, ...overlay });
    this.tick();
    return id;
  }

  take(steps: AlertStep[]): void {
    this.#take(steps);
  }

  open(): string[] {
    return this.book.open().map(({ kind, cause, members }) =>
      `${kind} ${cause}: ${
        [...members.values()].map(({ client, status }) => `${client} ${status}`)
      }`
    );
  }

  [Symbol.dispose](): void {
    this.watch[Symbol.dispose]();
  }

  #due(): number {
    return this.book.nextDeadline(this.moment) ?? Infinity;
  }

  #take(steps: AlertStep[]): void {
    const context = {
      subject: (client: string) => this.#subjects.get(client),
      newId: () => String(this.notices.length),
      wall: this.clock.wall(),
    };
    this.notices.push(...steps.flatMap((step) => noticeOf(step, context) ?? []));
  }
}

function names(count: number, prefix = "m"): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
}

Deno.test("one machine that falls silent is one alert after 2.5 P and one recovery", async () => {
  using fleet = new Fleet();
  fleet.join(names(10));
  await fleet.wait(MINUTE);
  fleet.silence("m4");
  await fleet.wait(2.5 * P);
  assertEquals(fleet.told(), ["alert m4 is DOWN"]);
  assertEquals(fleet.open(), ["down silent: m4 down"]);
  await fleet.wait(10 * MINUTE);
  assertEquals(fleet.told(), [], "nobody is told again");
  fleet.back("m4");
  const [recovery] = fleet.notices;
  assertEquals([recovery?.kind, recovery?.alert, recovery?.clients], ["recovery", 1, ["m4"]]);
  assertEquals(fleet.open(), []);
});

Deno.test("machines behind one switch are one alert at the first DOWN, and one recovery", async () => {
  using fleet = new Fleet();
  fleet.join(names(12, "a"), { block: "10.1.1" });
  fleet.join(names(20, "b"), { block: "10.1.2" });
  await fleet.wait(MINUTE);
  fleet.silence(...names(12, "a"));
  const cut = fleet.clock.now();
  while (fleet.notices.length === 0) await fleet.wait(100);
  const noticed = fleet.clock.now() - cut;
  assert(noticed >= 1.5 * P && noticed <= 1.7 * P, `noticed after ${noticed} ms`);
  await fleet.wait(5 * MINUTE);
  const [alert] = fleet.notices;
  assertEquals(alert?.clients.length, 12);
  assertEquals(fleet.told(), ["alert 12 machines fell silent together: all 12 in 10.1.1.0/24"]);
  for (const name of names(12, "a")) {
    fleet.back(name);
    await fleet.wait(3_000);
  }
  await fleet.wait(10 * MINUTE);
  assertEquals(fleet.told(), ["recovery 12 machines are UP again"]);
  assertEquals(fleet.open(), []);
});

Deno.test("half of all machines and at least three make the server or its network the suspect", async () => {
  for (const [failed, title] of [[3, "Server or network suspect"], [2, "2 machines"]] as const) {
    using fleet = new Fleet();
    fleet.join(names(6));
    await fleet.wait(MINUTE);
    fleet.silence(...names(failed));
    await fleet.wait(3 * P);
    assertEquals(fleet.notices.length, 1);
    assertEquals(fleet.notices[0]?.title.startsWith(title), true, fleet.notices[0]?.title);
    assertEquals(fleet.notices[0]?.cause, failed === 3 ? "server suspect" : "silent");
  }
});

Deno.test("machines that share neither tag nor network have alerts of their own", async () => {
  using fleet = new Fleet();
  fleet.join(["a"], { block: "10.1.1" });
  fleet.join(["b"], { block: "10.1.2" });
  fleet.join(names(10), { block: "10.1.3" });
  await fleet.wait(MINUTE);
  fleet.silence("a", "b");
  await fleet.wait(3 * P);
  assertEquals(fleet.told(), ["alert a is DOWN", "alert b is DOWN"]);
});

Deno.test("machines that share a tag fail together wherever they are", async () => {
  using fleet = new Fleet();
  fleet.join(["a"], { block: "10.1.1", tags: ["rack-7"] });
  fleet.join(["b"], { block: "10.1.2", tags: ["rack-7"] });
  fleet.join(names(10), { block: "10.1.3" });
  await fleet.wait(MINUTE);
  fleet.silence("a", "b");
  await fleet.wait(3 * P);
  assertEquals(fleet.told(), ["alert 2 machines fell silent together: all 2 of @rack-7"]);
});

Deno.test("a machine that was only late beside one that is DOWN leaves the alert without a word", async () => {
  using fleet = new Fleet();
  fleet.join(names(10));
  await fleet.wait(MINUTE);
  fleet.silence("m1", "m2");
  while (fleet.notices.length === 0) await fleet.wait(100);
  // m1 had beaten last, just before.
  assertEquals(fleet.open(), ["group silent: m2 down,m1 silent"]);
  assert(fleet.told()[0]?.includes("2 machines fell silent together"));
  fleet.back("m1");
  await fleet.wait(10 * MINUTE);
  assertEquals(fleet.told(), []);
  assertEquals(fleet.open(), ["group silent: m2 down"]);
});

Deno.test("when most machines are heard again before they were DOWN, the server is suspect no more", async () => {
  using fleet = new Fleet();
  fleet.join(names(10));
  await fleet.wait(MINUTE);
  fleet.silence(...names(10));
  await fleet.wait(1.6 * P);
  assertEquals(fleet.told().length, 1);
  fleet.back(...names(8, "m").map((_, index) => `m${index + 3}`));
  await fleet.wait(3 * P);
  assertEquals(fleet.open().length, 1);
  const told = fleet.told();
  assertEquals(told.length, 1);
  assert(told[0]?.includes("not the server"), told[0]);
});

Deno.test("those that come back are told of when others do not, and go their own way then", async () => {
  using fleet = new Fleet();
  fleet.join(names(4, "a"), { block: "10.1.1" });
  fleet.join(names(20, "b"), { block: "10.1.2" });
  await fleet.wait(MINUTE);
  fleet.silence(...names(4, "a"));
  await fleet.wait(3 * P);
  fleet.told();
  fleet.back("a1", "a2", "a3");
  await fleet.wait(6 * P - 1_000);
  assertEquals(fleet.told(), []);
  await fleet.wait(2_000);
  assertEquals(fleet.told(), ["update 3 of 4 machines are back"]);
  await fleet.wait(30 * MINUTE);
  fleet.silence("a2");
  await fleet.wait(3 * P);
  assertEquals(fleet.told(), ["alert a2 is DOWN"]);
  fleet.back("a4");
  assertEquals(fleet.told(), [
    "recovery 1 machines are UP again".replace("1 machines are", "a4 is"),
  ]);
});

Deno.test("what is still missing after the others are back has a cause of its own", async () => {
  using fleet = new Fleet();
  fleet.join(names(5));
  await fleet.wait(MINUTE);
  fleet.silence(...names(5));
  await fleet.wait(3 * P);
  assertEquals(fleet.book.open()[0]?.cause, "server suspect");
  fleet.back(...names(4));
  await fleet.wait(7 * P);
  assertEquals(fleet.open(), ["group silent: m5 down"]);
  fleet.told();
  fleet.back("m5");
  const [recovery] = fleet.notices;
  assertEquals([recovery?.clients, recovery?.cause], [["m5"], "silent"]);
});

Deno.test("a machine that fails a little later joins the alert and is told of once", async () => {
  using fleet = new Fleet();
  fleet.join(names(3, "a"), { block: "10.1.1" });
  fleet.join(names(20, "b"), { block: "10.1.2" });
  await fleet.wait(MINUTE);
  // All close at once, and the last of them 4 s later.
  fleet.lose("a1", "a2");
  await fleet.wait(4_000);
  fleet.lose("a3");
  await fleet.wait(0.75 * P + 11_000);
  assertEquals(fleet.notices.length, 1);
  assertEquals(fleet.open(), ["group connection lost: a1 down,a2 down,a3 down"]);
});

Deno.test("many failures one after the other are a storm: one alert that grows, told of once a minute", async () => {
  using fleet = new Fleet();
  fleet.join(names(60));
  await fleet.wait(MINUTE);
  for (let index = 1; index <= 20; index++) {
    fleet.lose(`m${index}`);
    await fleet.wait(10_000);
  }
  await fleet.wait(5 * MINUTE);
  const told = fleet.told();
  assertEquals(told.slice(0, 3), ["alert m1 is DOWN", "alert m2 is DOWN", "alert m3 is DOWN"]);
  assert(told.length <= 9, told.join("\n"));
  assertEquals(fleet.open().length, 4);
  assert(told.at(-1)?.startsWith("update "), told.at(-1));
  assertEquals(fleet.book.open().at(-1)?.members.size, 17);
});

Deno.test("a machine that flaps is one alert, told of once, and resolved after 10 quiet minutes", async () => {
  using fleet = new Fleet();
  fleet.join(names(10));
  await fleet.wait(MINUTE);
  for (let turn = 0; turn < 5; turn++) {
    fleet.lose("m1");
    await fleet.wait(P);
    fleet.back("m1");
    await fleet.wait(P);
  }
  assertEquals(fleet.told(), [
    "alert m1 is DOWN",
    "recovery m1 is UP again",
    "alert m1 is FLAPPING",
  ]);
  assertEquals(fleet.open(), ["flapping flapping: m1 down"]);
  await fleet.wait(9 * MINUTE);
  assertEquals(fleet.told(), []);
  await fleet.wait(MINUTE);
  assertEquals(fleet.told(), ["recovery m1 is steady again"]);
});

Deno.test("a machine that flaps is not forgiven for another that was only late when it went DOWN first", async () => {
  using fleet = new Fleet();
  fleet.join(["m1", "m2", "m3", "m4", "m5", "m6"]);
  await fleet.wait(MINUTE);
  fleet.watch.event("m2", { kind: "beat" });
  fleet.silence("m2");
  await fleet.wait(0.9 * P);
  fleet.lose("m1");
  await fleet.wait(0.75 * P);
  assertEquals(fleet.open(), ["group connection lost: m1 down,m2 silent"]);
  fleet.back("m2");
  await fleet.wait(10_000);
  fleet.back("m1");
  assertEquals(fleet.open(), []);
  fleet.told();
  await fleet.wait(MINUTE);
  fleet.lose("m1");
  await fleet.wait(0.75 * P);
  assertEquals(fleet.open(), ["flapping flapping: m1 down"]);
  assertEquals(fleet.told(), ["alert m1 is FLAPPING"]);
});

Deno.test("a machine that goes on flapping into an outage is told of again when it is DOWN for good", async () => {
  using fleet = new Fleet();
  fleet.join(names(10));
  await fleet.wait(MINUTE);
  for (let turn = 0; turn < 2; turn++) {
    fleet.lose("m1");
    await fleet.wait(P);
    fleet.back("m1");
    await fleet.wait(P);
  }
  fleet.lose("m1");
  await fleet.wait(P);
  fleet.told();
  await fleet.wait(10 * MINUTE);
  assertEquals(fleet.told(), ["update m1 is DOWN, no longer flapping"]);
  assertEquals(fleet.open(), ["down connection lost: m1 down"]);
  fleet.back("m1");
  assertEquals(fleet.told(), ["recovery m1 is UP again"]);
});

Deno.test("machines that keep going and coming together are told of three times, and are steady after 10 minutes", async () => {
  using fleet = new Fleet();
  fleet.join(names(6, "a"), { block: "10.1.1" });
  fleet.join(names(20, "b"), { block: "10.1.2" });
  await fleet.wait(MINUTE);
  for (let turn = 0; turn < 6; turn++) {
    fleet.silence(...names(6, "a"));
    await fleet.wait(3.5 * P);
    fleet.back(...names(6, "a"));
    await fleet.wait(2 * P);
  }
  assertEquals(fleet.told(), [
    "alert 6 machines fell silent together: all 6 in 10.1.1.0/24",
    "recovery 6 machines are UP again",
    "alert 6 machines keep failing together: all 6 in 10.1.1.0/24",
  ]);
  assertEquals(fleet.book.open().length, 1);
  assertEquals(fleet.watch.get("a1")?.flappingSince, undefined);
  await fleet.wait(10 * MINUTE);
  assertEquals(fleet.told(), ["recovery 6 machines are steady again"]);
});

Deno.test("a machine that fails by itself after it went with others does not flap", async () => {
  using fleet = new Fleet();
  fleet.join(names(6, "a"), { block: "10.1.1" });
  fleet.join(names(20, "b"), { block: "10.1.2" });
  await fleet.wait(MINUTE);
  fleet.silence(...names(6, "a"));
  await fleet.wait(3.5 * P);
  fleet.back(...names(6, "a"));
  await fleet.wait(3 * P);
  fleet.told();
  fleet.silence("a6");
  await fleet.wait(3 * P);
  assertEquals(fleet.told(), ["alert a6 is DOWN"]);
});

Deno.test("an acknowledgement that runs out is told of; one that does not stays quiet", async () => {
  using fleet = new Fleet();
  fleet.join(names(10));
  await fleet.wait(MINUTE);
  fleet.silence("m1");
  await fleet.wait(3 * P);
  fleet.told();
  const at = fleet.clock.wall();
  const acknowledgement = { by: "kim", note: "on my way", at, until: at + 10 * MINUTE };
  const step = fleet.book.acknowledge(1, acknowledgement);
  assertEquals([step?.what, step?.tell], ["changed", undefined]);
  await fleet.wait(10 * MINUTE - 1);
  assertEquals(fleet.told(), []);
  await fleet.wait(1_000);
  assertEquals(fleet.told(), ["update Still open after its acknowledgement: m1"]);
  assertEquals(fleet.book.acknowledge(99, acknowledgement), undefined);
});

Deno.test("maintenance raises nothing, and what is still DOWN at its end is an alert then", async () => {
  using fleet = new Fleet();
  fleet.join(names(10));
  await fleet.wait(MINUTE);
  fleet.set({
    kind: "maintenance",
    target: { client: "m1" },
    until: fleet.clock.wall() + 30 * MINUTE,
  });
  fleet.lose("m1");
  await fleet.wait(10 * MINUTE);
  assertEquals([fleet.told(), fleet.open()], [[], []]);
  assertEquals(fleet.watch.get("m1")?.state, "DOWN", "it is measured as ever");
  fleet.back("m1");
  await fleet.wait(MINUTE);
  fleet.lose("m1");
  await fleet.wait(18 * MINUTE);
  assertEquals(fleet.told(), []);
  await fleet.wait(2 * MINUTE);
  assertEquals(fleet.told(), ["alert m1 is DOWN"]);
  assertEquals(fleet.overlays.takeDropped().length, 1);
});

Deno.test("maintenance until back ends when the machine is back, and not before it was away", async () => {
  using fleet = new Fleet();
  fleet.join(names(10));
  await fleet.wait(MINUTE);
  fleet.set({ kind: "maintenance", target: { client: "m1" }, untilBack: true });
  await fleet.wait(60 * MINUTE);
  assert(!fleet.overlays.isEmpty);
  fleet.lose("m1");
  await fleet.wait(60 * MINUTE);
  fleet.back("m1");
  assert(fleet.overlays.isEmpty);
  assertEquals(fleet.told(), []);
  fleet.lose("m1");
  await fleet.wait(P);
  assertEquals(fleet.told(), ["alert m1 is DOWN"]);
});

Deno.test("a weekly window holds every week, over the change of the clocks too", async () => {
  // Saturday before the clocks go back in Berlin: the window of Sunday lasts 3 hours.
  using fleet = new Fleet(Date.parse("2026-10-24T23:50:00Z"));
  fleet.join(names(10));
  await fleet.wait(MINUTE);
  fleet.set({
    kind: "maintenance",
    target: { all: true },
    weekly: parseWeeklyWindow("Sun 02:00-04:00", "Europe/Berlin"),
  });
  await fleet.wait(10 * MINUTE);
  fleet.lose("m1");
  await fleet.wait(2 * 60 * MINUTE + 58 * MINUTE);
  assertEquals(fleet.told(), [], "it is 03:59 in Berlin for the first time since the change");
  await fleet.wait(2 * MINUTE);
  assertEquals(fleet.told(), ["alert m1 is DOWN"]);
  assertEquals(
    new Date(fleet.book.open()[0]?.openedAt ?? 0).toISOString().slice(0, 16),
    "2026-10-25T03:00",
  );
});

Deno.test("a planned absence that ends in time tells nothing; one that does not is overdue", async () => {
  for (const isBack of [true, false]) {
    using fleet = new Fleet();
    fleet.join(names(10));
    await fleet.wait(MINUTE);
    fleet.set({
      kind: "plan",
      target: { client: "m1" },
      until: fleet.clock.wall() + 10 * MINUTE,
      untilBack: true,
    });
    fleet.lose("m1");
    await fleet.wait(9 * MINUTE);
    if (isBack) fleet.back("m1");
    await fleet.wait(5 * MINUTE);
    assertEquals(fleet.told(), isBack ? [] : ["alert m1 is DOWN"]);
    assertEquals(fleet.open(), isBack ? [] : ["down planned overdue: m1 down"]);
  }
});

Deno.test("machines that are overdue together are one alert", async () => {
  using fleet = new Fleet();
  fleet.join(names(4, "a"), { block: "10.1.1" });
  fleet.join(names(20, "b"), { block: "10.1.2" });
  await fleet.wait(MINUTE);
  for (const name of names(3, "a")) {
    fleet.silence(name);
    fleet.watch.event(name, { kind: "left", cause: "said bye: reboot", backInMs: 5 * MINUTE });
  }
  await fleet.wait(6 * MINUTE);
  assertEquals(fleet.open(), ["group planned overdue: a1 down,a2 down,a3 down"]);
});

Deno.test("a machine that dies right after a plan that it did not need is not overdue", async () => {
  using fleet = new Fleet();
  fleet.join(names(10));
  await fleet.wait(MINUTE);
  fleet.set({ kind: "plan", target: { client: "m1" }, until: fleet.clock.wall() + 5 * MINUTE });
  await fleet.wait(5 * MINUTE);
  fleet.lose("m1");
  await fleet.wait(P);
  assertEquals(fleet.open(), ["down connection lost: m1 down"]);
});

Deno.test("a snooze keeps an alert back until its end, and for good when it is over by then", async () => {
  for (const isBack of [true, false]) {
    using fleet = new Fleet();
    fleet.join(names(10));
    await fleet.wait(MINUTE);
    fleet.set({
      kind: "snooze",
      target: { client: "m1" },
      until: fleet.clock.wall() + 60 * MINUTE,
    });
    fleet.lose("m1");
    await fleet.wait(10 * MINUTE);
    assertEquals([fleet.told(), fleet.open().length], [[], 1], "it is on record");
    if (isBack) fleet.back("m1");
    await fleet.wait(60 * MINUTE);
    assertEquals(fleet.told(), isBack ? [] : ["alert m1 is DOWN"]);
  }
});

Deno.test("the end of an alert that a person knows of is told in a snooze too", async () => {
  using fleet = new Fleet();
  fleet.join(names(10));
  await fleet.wait(MINUTE);
  fleet.lose("m1");
  await fleet.wait(P);
  fleet.set({ kind: "snooze", target: { tag: "x" }, until: fleet.clock.wall() + 60 * MINUTE });
  fleet.set({ kind: "snooze", target: { all: true }, until: fleet.clock.wall() + 60 * MINUTE });
  fleet.back("m1");
  assertEquals(fleet.told(), ["alert m1 is DOWN", "recovery m1 is UP again"]);
});

Deno.test("a goodbye of a machine that is DOWN, or its revocation, ends its alert", async () => {
  using fleet = new Fleet();
  fleet.join(names(10));
  await fleet.wait(MINUTE);
  fleet.lose("m1");
  await fleet.wait(P);
  fleet.watch.event("m1", { kind: "connected", watched: true });
  fleet.watch.event("m1", { kind: "left", cause: "said bye: stop" });
  assertEquals(fleet.told(), ["alert m1 is DOWN", "recovery m1: over"]);
  fleet.lose("m2");
  await fleet.wait(P);
  fleet.take(fleet.book.forget("m2", fleet.moment));
  assertEquals(fleet.told(), ["alert m2 is DOWN", "recovery m2: over"]);
  assertEquals(fleet.open(), []);
});

Deno.test("a condition is raised once, and cleared", () => {
  using fleet = new Fleet();
  fleet.join(names(3));
  const condition = {
    client: "m1",
    cause: "replaced" as const,
    severity: "warning" as const,
    title: "Two machines use the identity of m1",
    text: "two machines use the identity of m1: 10.0.0.3 and 10.0.0.9",
  };
  fleet.take(fleet.book.raise(condition, fleet.moment));
  fleet.take(fleet.book.raise(condition, fleet.moment));
  assertEquals(fleet.told(), ["alert Two machines use the identity of m1"]);
  assertEquals(fleet.open(), ["identity replaced: m1 down"]);
  fleet.take(fleet.book.clear("m1", "replaced", fleet.moment));
  fleet.take(fleet.book.clear("m1", "replaced", fleet.moment));
  assertEquals(fleet.told(), ["recovery m1: over"]);
});

Deno.test("what was open when the server stopped goes on, and is not told of again", async () => {
  using before = new Fleet();
  before.join(names(3, "a"));
  before.join(names(10, "b"), { block: "10.9.9" });
  await before.wait(MINUTE);
  before.lose("a1", "a2");
  await before.wait(P);
  assertEquals(before.told().length, 1);

  using fleet = new Fleet(before.clock.wall());
  fleet.join([...names(3, "a"), ...names(10, "b")]);
  for (const name of ["a1", "a2"]) {
    fleet.silence(name);
    const { state, cause } = before.watch.get(name) ?? { state: "UP", cause: undefined };
    fleet.watch.restore(name, { state, cause, silentForMs: P, watched: true });
  }
  const clients = ["a1", "a2"].map((client) => ({
    ...{ client, state: "DOWN" as const, cause: "connection lost" as const },
    lastSeenAt: fleet.clock.wall() - P,
  }));
  fleet.book.restore(
    { open: structuredClone(before.book.open()), lastId: 7, clients },
    fleet.moment,
  );
  await fleet.wait(10 * MINUTE);
  assertEquals(fleet.told(), []);
  fleet.back("a1", "a2");
  assertEquals(fleet.told(), ["recovery 2 machines are UP again"]);
  fleet.lose("b1");
  await fleet.wait(P);
  assertEquals(fleet.book.open().map(({ id }) => id), [8]);
});

Deno.test("a machine that was DOWN under a mute when the server stopped is told of when that ends", async () => {
  using fleet = new Fleet();
  fleet.join(names(5));
  fleet.silence("m1");
  fleet.watch.restore("m1", { state: "DOWN", cause: "silent", silentForMs: P, watched: true });
  const client = { client: "m1", state: "DOWN" as const, cause: "silent" as const };
  const clients = [{ ...client, lastSeenAt: fleet.clock.wall() - 50_000 }];
  fleet.book.restore({ open: [], lastId: 0, clients }, fleet.moment);
  await fleet.wait(3.5 * P - 1_000);
  assertEquals(fleet.told(), [], "it has some time to come back");
  await fleet.wait(1_000);
  assertEquals(fleet.told(), ["alert m1 is DOWN"]);
});
