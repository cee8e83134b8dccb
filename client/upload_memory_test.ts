import { assertEquals } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import { PARTIAL_KEEP_MS } from "../protocol/mod.ts";
import { ClientStore } from "./store.ts";

const FILE = { id: "1", kind: "file", size: 5, mtime: 7 } as const;

async function withStore(run: (store: ClientStore, clock: FakeClock) => void): Promise<void> {
  const directory = await Deno.makeTempDir();
  const clock = new FakeClock();
  {
    using store = new ClientStore(directory, { clock });
    run(store, clock);
  }
  await Deno.remove(directory, { recursive: true });
}

Deno.test("UploadMemory keeps one upload per server and path, until it is forgotten", async () => {
  await withStore((store) => {
    const memory = store.uploads("a", "me");
    memory.begin("/x", FILE);
    assertEquals(memory.find("/x"), FILE);
    assertEquals(memory.find("/y"), undefined);
    assertEquals(store.uploads("b", "me").find("/x"), undefined);
    memory.begin("/x", { ...FILE, id: "2", size: 6 });
    assertEquals(memory.find("/x"), { ...FILE, id: "2", size: 6 });
    memory.forget("/x");
    assertEquals(memory.find("/x"), undefined);
  });
});

Deno.test("UploadMemory forgets after 7 days, as the server does", async () => {
  await withStore((store, clock) => {
    const memory = store.uploads("a", "me");
    memory.begin("/x", FILE);
    clock.jumpWall(PARTIAL_KEEP_MS - 1);
    assertEquals(memory.find("/x"), FILE);
    clock.jumpWall(1);
    assertEquals(memory.find("/x"), undefined);
  });
});

Deno.test("UploadMemory knows when another process has taken an upload over, and leaves it to that", async () => {
  await withStore((store) => {
    const mine = store.uploads("a", "me");
    const other = store.uploads("a", "other");
    mine.begin("/x", FILE);
    assertEquals(mine.holds("/x"), true);
    other.begin("/x", FILE);
    assertEquals([mine.holds("/x"), other.holds("/x")], [false, true]);
    mine.forget("/x");
    assertEquals(other.find("/x"), FILE);
  });
});

Deno.test("UploadMemory keeps the files of a manifest and which are stored, and drops both when it is done", async () => {
  await withStore((store) => {
    const memory = store.uploads("a", "me");
    const files = Array.from({ length: 2_500 }, (_, n) => {
      return { n, path: `d/${n}\n"é`, size: n, mtime: n % 2 === 0 ? -1 : n };
    });
    const many = { id: "m", kind: "many", size: 0, mtime: 0 } as const;
    memory.begin("/d", many, files);
    memory.markStored("m", [3, 4]);
    memory.markStored("m", [2_499]);
    assertEquals(memory.find("/d"), many);
    assertEquals(memory.files("m"), files);
    assertEquals([...memory.stored("m")], [3, 4, 2_499]);
    memory.begin("/d", many, files.slice(0, 1));
    assertEquals([memory.files("m").length, memory.stored("m").size], [1, 3]);
    memory.forget("/d");
    assertEquals([memory.files("m"), memory.stored("m").size], [[], 0]);
  });
});
