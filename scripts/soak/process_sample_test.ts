import { assert, assertEquals } from "@std/assert";
import { fileBytes, sampleProcess, statusFigures } from "./process_sample.ts";

const STATUS = `Name:\tdeno
VmRSS:\t  104 kB
Threads:\t9
voluntary_ctxt_switches:\t77
nonvoluntary_ctxt_switches:\t5
`;

Deno.test("statusFigures() reads memory in bytes, threads and wake-ups, and NaN for what is not told", () => {
  assertEquals(statusFigures(STATUS), { rss: 104 * 1024, threads: 9, wakeups: 77 });
  assertEquals(statusFigures(""), { rss: NaN, threads: NaN, wakeups: NaN });
});

Deno.test({
  name: "sampleProcess() sees a file that this process opens (needs /proc)",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const before = await sampleProcess(Deno.pid);
    using _file = await Deno.open(import.meta.filename ?? "");
    const after = await sampleProcess(Deno.pid);
    assertEquals(after.descriptors, before.descriptors + 1);
    assert(after.rss > 0 && after.threads > 0 && after.wakeups >= before.wakeups);
  },
});

Deno.test("fileBytes() is 0 for a file that does not exist", async () => {
  assertEquals(await fileBytes(`${import.meta.filename}.none`), 0);
  assert(await fileBytes(import.meta.filename ?? "") > 0);
});
