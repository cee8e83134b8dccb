import { assertEquals } from "@std/assert";
import { roomProblem, tmpfsMounts, whyNoRoom } from "./disk_room.ts";

Deno.test("tmpfsMounts() leaves out other file systems and what the runtime guards", () => {
  const mounts = [
    "/dev/sda1 / ext4 rw 0 0",
    "tmpfs /dev/shm tmpfs rw 0 0",
    "tmpfs /mnt/my\\040disk tmpfs rw 0 0",
    "tmpfs /devices tmpfs rw 0 0",
    "",
  ].join("\n");
  assertEquals(tmpfsMounts(mounts), ["/mnt/my disk", "/devices"]);
});

Deno.test("roomProblem() lets a case in that just fits", () => {
  assertEquals(roomProblem({ free: 10e6, bytes: 10e6 }), undefined);
  assertEquals(
    roomProblem({ free: 9e6, bytes: 10e6 }),
    "9 MB are free and 10 MB are needed",
  );
});

Deno.test("whyNoRoom() says what is wrong with a folder without naming it", async () => {
  const need = { medium: "tmpfs" as const, bytes: 1 };
  assertEquals(await whyNoRoom(undefined, need), "no tmpfs was found; give one with --tmpfs DIR");
  const absent = new URL("absent", import.meta.url).pathname;
  assertEquals(await whyNoRoom(absent, need), "the folder for tmpfs cannot be used: ENOENT");
});
