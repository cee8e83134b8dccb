import { assertEquals } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import { AgentJournal, VITALS_MS } from "./agent_journal.ts";
import { ClientStore } from "./store.ts";

const HOUR = 3_600_000;

/** A machine whose agent starts and ends; dispose it. */
class Machine implements Disposable {
  readonly clock = new FakeClock();
  readonly directory = Deno.makeTempDirSync();
  readonly store = new ClientStore(this.directory, { clock: this.clock });
  readonly warnings: string[] = [];
  bootedAt = this.clock.wall() - HOUR;

  start(): AgentJournal {
    const journal = new AgentJournal({
      clock: this.clock,
      store: this.store,
      vitals: () => ({ cpu: 0.5, up: Math.floor((this.clock.wall() - this.bootedAt) / 1_000) }),
      onWarning: (warning) => this.warnings.push(warning),
    });
    journal.start();
    return journal;
  }

  /** The entries since the last call, without vitals unless asked for. */
  take({ vitals = false } = {}): string[] {
    const entries = this.store.journal.unsent(10_000);
    this.store.journal.markSent(entries.at(-1)?.seq ?? 0, 0);
    return entries.filter(({ event }) => vitals || event !== "vitals")
      .map(({ event, reason, ms }) => [event, reason, ms].filter((part) => part !== undefined))
      .map((parts) => parts.join(": "));
  }

  [Symbol.dispose](): void {
    this.store[Symbol.dispose]();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

Deno.test("AgentJournal notes the loss and the return of the server once, and vitals in between", async () => {
  using machine = new Machine();
  using journal = machine.start();
  journal.connected();
  await machine.clock.advance(HOUR);
  assertEquals(machine.take({ vitals: true }), ["started"], "nothing while there is a server");
  journal.lost("the connection was reset");
  journal.lost("nothing listens there");
  await machine.clock.advance(3 * VITALS_MS);
  journal.connected();
  journal.connected();
  assertEquals(machine.take({ vitals: true }), [
    "server_lost: the connection was reset",
    ...["vitals", "vitals", "vitals"],
    `server_back: ${3 * VITALS_MS}`,
  ]);
});

Deno.test("AgentJournal notes a server that is not there from the start", async () => {
  using machine = new Machine();
  using journal = machine.start();
  journal.lost("nothing listens there");
  await machine.clock.advance(VITALS_MS);
  journal.connected();
  assertEquals(machine.take(), [
    "started",
    "server_lost: nothing listens there",
    `server_back: ${VITALS_MS}`,
  ]);
});

Deno.test("AgentJournal tells a start after a stop, a crash and a reboot apart", async () => {
  using machine = new Machine();
  {
    using journal = machine.start();
    journal.stopped("stop");
  }
  await machine.clock.advance(HOUR);
  {
    using _crashed = machine.start();
  }
  await machine.clock.advance(HOUR);
  {
    using _again = machine.start();
  }
  await machine.clock.advance(HOUR);
  machine.bootedAt = machine.clock.wall() - 30_000;
  using _rebooted = machine.start();
  assertEquals(machine.take(), [
    "started",
    "stopped: stop",
    `started: it had been stopped: ${HOUR}`,
    `started: it had ended without a goodbye: ${HOUR}`,
    `rebooted: it had ended without a goodbye: ${HOUR}`,
  ]);
});

Deno.test("AgentJournal notes that the machine slept, or that its clock was set back (fault 24)", async () => {
  using machine = new Machine();
  using journal = machine.start();
  journal.connected();
  machine.clock.jumpWall(8 * HOUR);
  await machine.clock.advance(VITALS_MS);
  machine.clock.jumpWall(-HOUR);
  await machine.clock.advance(2 * VITALS_MS);
  assertEquals(machine.take(), ["started", `slept: ${8 * HOUR}`, `clock_set: ${HOUR}`]);
});

Deno.test("AgentJournal goes on when the disk is full, and says so once", async () => {
  using machine = new Machine();
  using journal = machine.start();
  machine.store.journal.add = () => {
    throw new Error("disk full");
  };
  journal.lost("reset");
  await machine.clock.advance(5 * VITALS_MS);
  assertEquals(machine.warnings, ["Cannot write the journal: disk full"]);
});
