import { assert, assertEquals } from "@std/assert";
import { cpuSecondsOf, statusBytes, watchProcess } from "./process_usage.ts";

/** Says that it is ready, reads a number, takes as many bytes, and says so. */
const TAKES_MEMORY = `
  const say = () => Deno.stdout.write(new Uint8Array(1));
  await say();
  const line = new Uint8Array(100);
  const count = await Deno.stdin.read(line);
  globalThis.kept = new Uint8Array(Number(new TextDecoder().decode(line.subarray(0, count)))).fill(1);
  await say();
  await Deno.stdin.read(line);
`;

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
    await using child = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-config", TAKES_MEMORY],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const answers = child.stdout.getReader();
    await answers.read();
    const asking = child.stdin.getWriter();
    const { value, usage } = await watchProcess(child.pid, async () => {
      await asking.write(new TextEncoder().encode(`${bytes}\n`));
      return (await answers.read()).value?.length;
    });
    assertEquals(value, 1);
    assert((usage?.growthBytes ?? 0) > bytes / 2, `it grew by ${usage?.growthBytes} bytes`);
    await asking.close();
    await answers.cancel();
  },
});

Deno.test("watchProcess() still does the work when there is no such process", async () => {
  assertEquals(await watchProcess(2 ** 30, () => Promise.resolve(7)), { value: 7 });
});
