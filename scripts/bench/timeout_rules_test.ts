import { assertEquals } from "@std/assert";
import {
  type Alarm,
  alarmsOfEach,
  type Arrival,
  type ArrivalTrace,
  whenAwake,
} from "./alarm_rule.ts";
import { BESZEL, HEALTHCHECKS, MQTT, UPTIME_KUMA } from "./timeout_rules.ts";

const S = 1_000;

/** One machine's arrivals, as `second kind` pairs. */
function trace(arrivals: [number, Arrival["kind"]][], stills: ArrivalTrace["stills"] = []) {
  return {
    ms: 1_000 * S,
    machines: [arrivals.map(([at, kind]) => ({ at: at * S, kind }))],
    stills,
  };
}

const times = (alarms: Alarm[]) => alarms.map(({ from, to }) => [from / S, to / S]);

Deno.test("Uptime Kuma calls a machine gone 21 s after the last push, and looks at nothing else", () => {
  const pushes = trace([
    [0, "connect"],
    [10, "beat"],
    [30.9, "beat"],
    [52, "beat"],
    [53, "close"],
    [60, "pong"],
    [72.5, "bye"],
    [990, "beat"],
  ]);
  assertEquals(times(UPTIME_KUMA.alarms(pushes)), [[51.9, 52], [73, 990]]);
});

Deno.test("a machine of which nothing has come is not missed, and one that stays away is until the end", () => {
  assertEquals(UPTIME_KUMA.alarms(trace([])), []);
  assertEquals(times(UPTIME_KUMA.alarms(trace([[900, "beat"]]))), [[921, 1_000]]);
});

Deno.test("MQTT tells the will after 30 s without a packet, at once after a close, and not after DISCONNECT", () => {
  assertEquals(times(MQTT.alarms(trace([[0, "beat"], [29, "pong"], [60, "beat"], [980, "bye"]]))), [
    [59, 60],
    [90, 1_000],
  ]);
  assertEquals(
    times(MQTT.alarms(trace([[0, "beat"], [5, "close"], [9, "connect"], [10, "bye"]]))),
    [
      [5, 9],
    ],
  );
});

Deno.test("Beszel waits 5 s for a reconnect or 70 s for a byte, and a minute more", () => {
  const silent = trace([
    [0, "beat"],
    [20, "beat"],
    [200, "beat"],
    [201, "close"],
    [265, "connect"],
    [
      900,
      "bye",
    ],
  ]);
  // After the reconnect at 265 s nothing comes any more, and a BYE is a close.
  assertEquals(times(BESZEL.alarms(silent)), [[155, 200], [400, 1_000]]);
  assertEquals(
    times(BESZEL.alarms(trace([[0, "connect"], [10, "close"], [76, "connect"], [80, "bye"]]))),
    [
      [75, 76],
      [145, 1_000],
    ],
  );
});

Deno.test("Healthchecks waits a minute and another one, and looks every 2 s", () => {
  assertEquals(times(HEALTHCHECKS.alarms(trace([[1, "beat"], [120.5, "beat"], [121, "close"]]))), [
    [242, 1_000],
  ]);
});

Deno.test("what is due while the server stands still happens at its end, after what has arrived by then", () => {
  const stills = [{ from: 15 * S, to: 100 * S }];
  assertEquals(
    UPTIME_KUMA.alarms(trace([[0, "beat"], [100, "beat"], [110, "bye"]], stills)).length,
    1,
  );
  assertEquals(times(UPTIME_KUMA.alarms(trace([[0, "beat"], [100.1, "beat"]], stills))), [
    [100, 100.1],
    [121.1, 1_000],
  ]);
  assertEquals([14, 15, 99, 100].map((at) => whenAwake(at * S, stills) / S), [14, 100, 100, 100]);
});

Deno.test("alarmsOfEach() looks at each machine with a detector of its own", () => {
  const { ms, stills } = trace([]);
  const machines = [[{ at: 0, kind: "beat" as const }], [{ at: 500 * S, kind: "beat" as const }]];
  const alarms = alarmsOfEach({ ms, stills, machines }, () => {
    let last = Infinity;
    return { due: () => last + 10 * S, arrive: ({ at }) => (last = at) >= 0 };
  });
  assertEquals(alarms.map(({ machine, from }) => [machine, from / S]), [[0, 10], [1, 510]]);
});
