import { assert, assertEquals, assertMatch } from "@std/assert";
import { uuidV7 } from "./random.ts";

Deno.test("uuidV7() has version 7, the RFC's variant and lower case", () => {
  const id = uuidV7({ wall: () => Date.UTC(2026, 0, 1) });
  assertMatch(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

Deno.test("uuidV7() gives the example of RFC 9562, appendix A.6", () => {
  const bytes = Uint8Array.fromHex("00000000000000000cc318c4dc0c0c07398f".slice(0, 32));
  bytes.set(Uint8Array.fromHex("0cc318c4dc0c0c07398f"), 6);
  const id = uuidV7({ wall: () => 0x017f22e279b0 }, () => bytes.slice());
  assertEquals(id, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
});

Deno.test("uuidV7() sorts by time", () => {
  let now = 1_000;
  const ids = Array.from({ length: 50 }, () => uuidV7({ wall: () => now++ }));
  assertEquals(ids, [...ids].sort());
  assert(new Set(ids).size === ids.length);
});
