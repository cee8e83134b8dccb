import { assertEquals } from "@std/assert";
import { checkTargets } from "./bench_target.ts";
import { fakeEntry, fakeReport } from "./fake_report.ts";

Deno.test("checkTargets() tells met, missed and not measured apart", () => {
  assertEquals(checkTargets(fakeReport()).map(({ measured, met }) => [measured, met]), [
    ["2.00 x", true],
    ["4.00 x", true],
    [undefined, undefined],
    [undefined, undefined],
    [undefined, undefined],
    ["4.0 MiB", true],
    ["4.0 MiB", true],
    [undefined, undefined],
    [undefined, undefined],
    ["5.0 MiB", true],
    ["20.0 ms", true],
    ["none", true],
  ]);
});

Deno.test("checkTargets() meets a limit at the limit and misses it beyond", () => {
  const speed = (seconds: number) => {
    const [first] = fakeReport().cases;
    const entries = [fakeEntry("hb-tls", 1), fakeEntry("scp-gcm", seconds)];
    return checkTargets(fakeReport({ cases: first ? [{ ...first, entries }] : [] }))[0]?.met;
  };
  assertEquals([speed(1.3), speed(1.29)], [true, false]);
  const growth = (mib: number) => {
    const [first] = fakeReport().cases;
    const entries = [fakeEntry("hb-tls", 1, mib)];
    return checkTargets(fakeReport({ cases: first ? [{ ...first, entries }] : [] }))[5]?.met;
  };
  assertEquals([growth(16), growth(16.01)], [true, false]);
});

Deno.test("checkTargets() takes speeds on tmpfs only, and names the states that occurred", () => {
  const report = fakeReport();
  const onDisk = report.cases.map((one) => ({ ...one, medium: "disk" as const }));
  assertEquals(checkTargets({ ...report, cases: onDisk })[0]?.met, undefined);
  const heartbeats = report.heartbeats;
  if (heartbeats === undefined || "problem" in heartbeats) throw new Error("no heartbeats");
  const late = { ...heartbeats, states: ["till-3 LATE"] };
  const targets = checkTargets({ ...report, heartbeats: late });
  assertEquals(targets.at(-1)?.measured, "till-3 LATE");
  assertEquals(targets.at(-1)?.met, false);
  const none = checkTargets({ ...report, heartbeats: { problem: "left out: no room" } });
  assertEquals(none.slice(-3).map(({ met }) => met), [undefined, undefined, undefined]);
});
