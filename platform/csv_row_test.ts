import { assertEquals } from "@std/assert";
import { csvRow } from "./csv_row.ts";

Deno.test("csvRow() quotes what RFC 4180 wants quoted, and nothing else", () => {
  assertEquals(csvRow(["a", "", "1.5", "-2", "b c"]), "a,,1.5,-2,b c");
  assertEquals(csvRow(['say "hi"', "a,b", " a"]), '"say ""hi""","a,b"," a"');
  assertEquals(csvRow(["two\nlines", "\u202eevil"]), "two\\x0alines,\\u202eevil");
});

Deno.test("csvRow() gives a spreadsheet no formula to run", () => {
  const dangerous = ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "＝1", '=HYPERLINK("x")'];
  for (const cell of dangerous) {
    const row = csvRow([cell]);
    assertEquals(row.replace(/^"/, "").startsWith("'"), true, row);
  }
  assertEquals(csvRow(['=HYPERLINK("x")']), `"'=HYPERLINK(""x"")"`);
});
