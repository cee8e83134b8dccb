import { assertAlmostEquals, assertEquals } from "@std/assert";
import { type AlarmFault, AlarmTally } from "./alarm_score.ts";

const S = 1_000;
const MONTH_MS = 365.25 / 12 * 24 * 3_600 * S;

const world = (faults: AlarmFault[]) => ({ ms: MONTH_MS, machines: 2, faults });

const fault = (kind: "pull" | "kill", from: number, machines: number[]): AlarmFault => ({
  from: from * S,
  to: (from + 750) * S,
  machines,
  isClosed: kind === "kill",
});
const notice = (second: number, ...machines: number[]) => ({ at: second * S, machines });

Deno.test("AlarmTally measures from the fault to the first notice that names the machine, by what failed", () => {
  const tally = new AlarmTally();
  tally.add(
    world([fault("pull", 1_000, [0]), fault("kill", 5_000, [1]), fault("kill", 9_000, [0])]),
    [
      notice(1_040, 0),
      notice(1_100, 0),
      notice(5_015, 1),
    ],
  );
  const { silent, killed, falseAlarms, noticesPerFault } = tally.score();
  assertEquals(silent, { faults: 1, missed: 0, meanSeconds: 40, p99Seconds: 40, maxSeconds: 40 });
  assertEquals(killed, { faults: 2, missed: 1, meanSeconds: 15, p99Seconds: 15, maxSeconds: 15 });
  assertEquals([falseAlarms, noticesPerFault], [0, 1]);
});

Deno.test("AlarmTally counts what no fault explains as false, per machine and month", () => {
  const tally = new AlarmTally();
  tally.add(world([fault("pull", 1_000, [0])]), [
    notice(999, 0),
    notice(1_050, 1),
    notice(1_700, 0),
    notice(1_800, 0),
    notice(5_030, 1),
  ]);
  const { falseAlarms, falseAlarmsPerMachineMonth, silent } = tally.score();
  assertEquals([falseAlarms, silent?.maxSeconds], [4, 700]);
  assertAlmostEquals(falseAlarmsPerMachineMonth, 2, 1e-9);
});

Deno.test("AlarmTally: a notice that names many machines is one for their fault", () => {
  const tally = new AlarmTally();
  tally.add(world([fault("pull", 1_000, [0, 1])]), [notice(1_030, 0, 1)]);
  tally.add(world([fault("pull", 1_000, [0, 1])]), [notice(1_030, 0), notice(1_040, 1)]);
  const { noticesPerFault, silent, killed } = tally.score();
  assertEquals([noticesPerFault, silent?.faults, silent?.meanSeconds], [1.5, 4, 32.5]);
  assertEquals(killed, undefined);
});
