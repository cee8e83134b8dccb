import { assertEquals } from "@std/assert";
import { cpuSecondsOf, statusBytes, watchProcess } from "./process_usage.ts";

Deno.test("cpuSecondsOf() counts user and system time behind any name", () => {
  const rest = "S 1 2 3 4 5 6 7 8 9 10 250 50 7 7 20 0 1 0 99";
  assertEquals(cpuSecondsOf(`42 (deno) ${rest}`), 3);
  assertEquals(cpuSecondsOf(`42 (a) b (c)) ${rest}`), 3);
});

Deno.test("statusBytes() reads the line that is asked for, and none as NaN", () => {
  const status = "Name:\tdeno\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
  assertEquals([statusBytes(status, "VmHWM"), statusBytes(status, "VmRSS")], [2 ** 21, 2 ** 20]);
  assertEquals(statusBytes("Name:\tdeno\n", "VmRSS"), NaN);
});

Deno.test({
  name: "watchProcess() sees memory that a process takes while it is watched",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const bytes = 64 * 1024 * 1024;
    const { value, usage } = await watchProcess(Deno.pid, () => {
      return Promise.resolve(new Uint8Array(bytes).fill(1).length);
    });
    assertEquals(value, bytes);
    assertEquals((usage?.growthBytes ?? 0) > bytes / 2, true);
  },
});

Deno.test("watchProcess() still does the work when there is no such process", async () => {
  assertEquals(await watchProcess(2 ** 30, () => Promise.resolve(7)), { value: 7 });
});
