import { assertEquals } from "@std/assert";
import { writeText } from "./write_text.ts";

Deno.test("writeText() goes on where a write took only a part", () => {
  const taken: number[] = [];
  const to = {
    writeSync(bytes: Uint8Array): number {
      const part = bytes.subarray(0, 3);
      taken.push(...part);
      return part.length;
    },
  };
  writeText(to, "größer als drei");
  assertEquals(new TextDecoder().decode(new Uint8Array(taken)), "größer als drei");
});
