import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { HostFacts, type HostPorts, type ProcessorTimes, systemHost } from "./host_facts.ts";

/** One processor with the given times, in milliseconds. */
function times(user: number, sys: number, idle: number): ProcessorTimes {
  return { user, nice: 0, sys, idle, irq: 0 };
}

/** A machine that answers like a small Linux server. */
const linux: HostPorts = {
  os: "linux",
  processors: () => [times(1000, 500, 8500), times(2000, 0, 8000)],
  memory: () => ({ total: 4_000_000_000, free: 200_000_000, available: 3_000_000_000 }),
  disk: () => ({ blocks: 1_000_000, bavail: 750_000 }),
  uptime: () => 273_600.9,
};

Deno.test("HostFacts.vitals() has no processor part at first, then that of the time between", () => {
  let processors = [times(1000, 500, 8500), times(2000, 0, 8000)];
  const facts = new HostFacts({ ...linux, processors: () => processors });
  assertEquals(facts.vitals(), { mem: 0.25, disk: 0.25, up: 273_600 });
  processors = [times(1400, 500, 9100), times(2000, 100, 8900)];
  assertEquals(facts.vitals(), { cpu: 0.25, mem: 0.25, disk: 0.25, up: 273_600 });
});

Deno.test("HostFacts.vitals() reads Windows memory from what is free", () => {
  const facts = new HostFacts({
    ...linux,
    os: "windows",
    memory: () => ({ total: 8_000_000_000, free: 6_000_000_000, available: 0 }),
  });
  assertEquals(facts.vitals().mem, 0.25);
});

Deno.test("HostFacts.vitals() reads macOS memory from what is available", () => {
  const facts = new HostFacts({
    ...linux,
    os: "darwin",
    memory: () => ({ total: 16_000_000_000, free: 100_000_000, available: 4_000_000_000 }),
  });
  assertEquals(facts.vitals().mem, 0.75);
});

Deno.test("HostFacts.vitals() leaves the processors out when their counters stand still or go back", () => {
  let processors = [times(100, 0, 900)];
  const facts = new HostFacts({ ...linux, processors: () => processors });
  facts.vitals();
  assertEquals(facts.vitals().cpu, undefined);
  processors = [times(50, 0, 100)];
  assertEquals(facts.vitals().cpu, undefined);
  processors = [times(50, 0, 200)];
  assertEquals(facts.vitals().cpu, 0);
  processors = [times(150, 0, 200)];
  assertEquals(facts.vitals().cpu, 1);
  processors = [times(140, 0, 300)];
  assertEquals(facts.vitals().cpu, undefined);
});

Deno.test("HostFacts.vitals() leaves out what the system denies, and has the rest", () => {
  const denied = () => {
    throw new Deno.errors.NotCapable("no");
  };
  for (const name of ["processors", "memory", "disk", "uptime"] as const) {
    const vitals = new HostFacts({ ...linux, [name]: denied }).vitals();
    const key = { processors: "cpu", memory: "mem", disk: "disk", uptime: "up" }[name];
    assertEquals(key in vitals, false);
    assertEquals(Object.keys(vitals).length, name === "processors" ? 3 : 2);
  }
});

Deno.test("HostFacts.vitals() starts over after a look at the processors that failed", () => {
  let processors: () => ProcessorTimes[] = () => [times(0, 0, 1000)];
  const facts = new HostFacts({ ...linux, processors: () => processors() });
  facts.vitals();
  processors = () => {
    throw new Error("no");
  };
  facts.vitals();
  processors = () => [times(5000, 0, 1000)];
  assertEquals(facts.vitals().cpu, undefined);
});

Deno.test("HostFacts.vitals() is never NaN, negative or above 1, whatever the system answers", () => {
  const number = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(0, -1, NaN, Infinity, 1e308));
  const processor = fc.record({
    user: number,
    nice: number,
    sys: number,
    idle: number,
    irq: number,
  });
  fc.assert(
    fc.property(
      fc.constantFrom("linux" as const, "darwin" as const, "windows" as const),
      fc.array(fc.array(processor), { minLength: 2, maxLength: 2 }),
      fc.record({ total: number, free: number, available: number }),
      fc.record({ blocks: number, bavail: number }),
      number,
      (os, looks, memory, disk, uptime) => {
        let look = 0;
        const facts = new HostFacts({
          os,
          processors: () => looks[look++] ?? [],
          memory: () => memory,
          disk: () => disk,
          uptime: () => uptime,
        });
        for (const vitals of [facts.vitals(), facts.vitals()]) {
          for (const [key, value] of Object.entries(vitals)) {
            assert(value >= 0 && (key === "up" ? Number.isInteger(value) : value <= 1), `${value}`);
          }
        }
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("HostFacts.vitals() measures this machine", () => {
  const vitals = new HostFacts(systemHost(".")).vitals();
  assert(vitals.mem !== undefined && vitals.mem > 0 && vitals.mem < 1);
  assert(vitals.disk !== undefined && vitals.disk >= 0 && vitals.disk <= 1);
  assert(vitals.up !== undefined && vitals.up > 0);
  assertEquals(new HostFacts(systemHost("/no/such/directory")).vitals().disk, undefined);
});
