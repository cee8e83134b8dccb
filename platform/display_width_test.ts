import { assertEquals } from "@std/assert";
import { displayWidth } from "./display_width.ts";

Deno.test("displayWidth() counts the columns that a terminal uses", () => {
  const cases: [string, number][] = [
    ["", 0],
    ["till-3", 6],
    ["Grüße", 5],
    ["e\u0301a\u0323\u0301", 2],
    ["你好", 4],
    ["ｆｕｌｌ", 8],
    ["한글", 4],
    ["カナ", 4],
    ["ｶﾅ", 2],
    ["Привет", 6],
    ["שלום", 4],
    ["👍", 2],
    ["👍🏽", 2],
    ["👩‍👩‍👧", 2],
    ["a😀b", 4],
    ["…→✓", 3],
    ["𠀀", 2],
  ];
  for (const [text, columns] of cases) assertEquals(displayWidth(text), columns, text);
});
