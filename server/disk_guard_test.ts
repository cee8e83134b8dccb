import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Logger } from "@logtape/logtape";
import { FakeClock } from "../platform/fake_clock.ts";
import { BALLAST_BYTES } from "./ballast.ts";
import { DISK_CHECK_MS, DiskGuard, LOW_BYTES, SPENT_BYTES } from "./disk_guard.ts";

const MIB = 1024 * 1024;

/** A disk of which a test says how much of it others leave free, and a guard whose changes are noted. */
class FakeDisk implements AsyncDisposable {
  readonly clock = new FakeClock();
  /** What the ballast takes. */
  ballast = 0;
  /** What is free when the ballast is not counted, in bytes. */
  room = 100 * MIB;
  /** Why the next questions fail. */
  failure: Error | undefined;
  readonly changes: string[] = [];
  readonly notices: string[] = [];
  readonly logged: string[] = [];
  readonly guard: DiskGuard;

  constructor({ ballastBytes = BALLAST_BYTES } = {}) {
    const note = (template: string) => void this.logged.push(template);
    this.guard = new DiskGuard({
      directory: "/data",
      clock: this.clock,
      log: { debug: note, info: note, warn: note, error: note } as unknown as Logger,
      ballast: {
        make: () => Promise.resolve(this.ballast = ballastBytes),
        remove: () => {
          const bytes = this.ballast;
          this.ballast = 0;
          return Promise.resolve(bytes);
        },
      },
      freeBytes: () => {
        if (this.failure !== undefined) return Promise.reject(this.failure);
        return Promise.resolve(this.room - this.ballast);
      },
    });
    this.guard.subscribe(({ condition, notice }) => {
      this.changes.push(condition);
      this.notices.push(`${notice.kind} ${notice.text}`);
      return Promise.resolve();
    });
  }

  /** Lets so many rounds of the guard pass. */
  async rounds(count = 1): Promise<void> {
    for (let round = 0; round < count; round++) await this.clock.advance(DISK_CHECK_MS);
  }

  /** Starts with its ballast. */
  async begin(): Promise<void> {
    await this.guard.start();
    await this.rounds();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.guard[Symbol.asyncDispose]();
    assertEquals(this.clock.waiting, 0);
  }
}

Deno.test("a disk with room gets its ballast after the start, and nobody is told anything", async () => {
  await using disk = new FakeDisk();
  await disk.guard.start();
  assertEquals(disk.ballast, 0);
  await disk.rounds(3);
  assertEquals([disk.ballast, disk.changes, disk.logged], [BALLAST_BYTES, [], []]);
});

for (const [left, condition] of [[LOW_BYTES, "well"], [LOW_BYTES - 1, "full"]] as const) {
  Deno.test(`a disk with ${left} bytes left is ${condition}`, async () => {
    await using disk = new FakeDisk();
    await disk.begin();
    disk.room = BALLAST_BYTES + left;
    await disk.rounds();
    assertEquals(disk.guard.condition, condition);
    assertEquals(disk.ballast, condition === "well" ? BALLAST_BYTES : 0);
  });
}

Deno.test("a disk that stays full is told of once, within seconds, with what is full and what to do", async () => {
  await using disk = new FakeDisk();
  await disk.begin();
  disk.room = BALLAST_BYTES + 3 * MIB;
  await disk.rounds(20);
  assertEquals(disk.changes, ["full"]);
  assertStringIncludes(
    disk.notices[0] ?? "",
    'trouble ALERT the disk of "/data" is full (19.0 MiB',
  );
  assertStringIncludes(disk.notices[0] ?? "", "Make room there");
});

Deno.test("a failed write gives the ballast back at once", async () => {
  await using disk = new FakeDisk();
  await disk.begin();
  disk.room = BALLAST_BYTES + LOW_BYTES;
  disk.guard.noteFull();
  await disk.clock.advance(0);
  assertEquals([disk.changes, disk.ballast], [["full"], 0]);
});

Deno.test("a failed write gives the ballast back when nobody knows what is free", async () => {
  await using disk = new FakeDisk();
  await disk.begin();
  disk.failure = new Error("statfs");
  disk.guard.noteFull();
  await disk.clock.advance(0);
  assertEquals([disk.ballast, disk.guard.condition], [0, "well"]);
  disk.failure = undefined;
  disk.room = 3 * MIB;
  await disk.rounds();
  assertEquals(disk.changes, ["full"]);
});

for (const [left, conditions] of [[SPENT_BYTES, []], [SPENT_BYTES - 1, ["spent"]]] as const) {
  Deno.test(`a full disk with ${left} bytes of its reserve left is told of ${conditions.length} times more`, async () => {
    await using disk = new FakeDisk();
    await disk.begin();
    disk.room = BALLAST_BYTES;
    await disk.rounds();
    disk.room = left;
    disk.guard.noteFull();
    await disk.rounds(5);
    assertEquals(disk.changes, ["full", ...conditions]);
  });
}

for (const [over, condition] of [[-1, "full"], [0, "well"]] as const) {
  Deno.test(`a full disk on which the ballast and ${2 * LOW_BYTES + over} bytes are free is ${condition}`, async () => {
    await using disk = new FakeDisk();
    await disk.begin();
    disk.room = BALLAST_BYTES;
    await disk.rounds();
    disk.room = BALLAST_BYTES + 2 * LOW_BYTES + over;
    await disk.rounds(5);
    assertEquals(disk.guard.condition, condition);
    const isWell = condition === "well";
    assertEquals(disk.ballast, isWell ? BALLAST_BYTES : 0);
    assertEquals(disk.changes, isWell ? ["full", "well"] : ["full"]);
  });
}

Deno.test("a disk whose files go and come is told of each time", async () => {
  await using disk = new FakeDisk();
  await disk.begin();
  for (let turn = 0; turn < 3; turn++) {
    disk.room = MIB / 2;
    await disk.rounds(2);
    disk.room = 100 * MIB;
    await disk.rounds(2);
  }
  assertEquals(disk.changes, ["spent", "well", "spent", "well", "spent", "well"]);
  assertStringIncludes(
    disk.notices[1] ?? "",
    'relief RECOVERED the disk of "/data" has room again',
  );
});

Deno.test("a server that starts on a full disk gives its ballast back, and whoever asks later is told", async () => {
  await using disk = new FakeDisk();
  disk.ballast = BALLAST_BYTES;
  disk.room = BALLAST_BYTES;
  await disk.guard.start();
  assertEquals([disk.ballast, disk.changes], [0, ["full"]]);
  const late: string[] = [];
  disk.guard.subscribe(({ condition }) => Promise.resolve(void late.push(condition)));
  assertEquals(late, ["full"]);
});

Deno.test("a subscriber that fails takes nothing from the others", async () => {
  await using disk = new FakeDisk();
  disk.guard.subscribe(() => Promise.reject(new Error("no")));
  await disk.begin();
  disk.room = MIB / 2;
  await disk.rounds();
  disk.room = 100 * MIB;
  await disk.rounds();
  assertEquals(disk.changes, ["spent", "well"]);
  assertEquals(disk.logged.filter((line) => line.startsWith("Cannot act upon")).length, 2);
});

Deno.test("a disk of which nothing can be found out is told of once and looked at again", async () => {
  await using disk = new FakeDisk();
  await disk.begin();
  disk.failure = new Error("statfs");
  await disk.rounds(5);
  assertEquals(disk.logged, ["Cannot look after the disk of {directory}: {error}"]);
  disk.failure = undefined;
  disk.room = MIB / 2;
  await disk.rounds();
  assertEquals(disk.changes, ["spent"]);
});

Deno.test("a small disk has a small ballast and one line about it", async () => {
  await using disk = new FakeDisk({ ballastBytes: 2 * MIB });
  await disk.begin();
  await disk.rounds(5);
  assertEquals(disk.logged.length, 1);
  assertStringIncludes(disk.logged[0] ?? "", "is small");
});
