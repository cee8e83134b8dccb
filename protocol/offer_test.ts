import { assertEquals } from "@std/assert";
import { REJECT_CODES } from "./error.ts";
import { MAX_REASON_CHARS } from "./limits.ts";
import { checkOffer } from "./offer.ts";
import vectors from "./testdata/offer.json" with { type: "json" };

Deno.test("checkOffer() judges every vector", async (t) => {
  for (const { clause, name, path, size, expect } of vectors) {
    await t.step(`${name} [${clause}]`, () => {
      const offer = checkOffer(path, size);
      assertEquals("code" in offer ? offer.code : "ok", expect);
      if ("code" in offer) assertEquals(REJECT_CODES.includes(offer.code), true);
      else assertEquals(offer, { path, size });
    });
  }
});

Deno.test("checkOffer() refuses sizes that JSON cannot carry and what is absent [HB-61]", () => {
  for (const size of [NaN, Infinity, -Infinity, 5n, undefined, () => 1]) {
    const offer = checkOffer(["a.txt"], size);
    assertEquals("code" in offer && offer.code, "bad_size");
  }
  const offer = checkOffer(undefined, 1);
  assertEquals("code" in offer && offer.code, "bad_name");
});

Deno.test("checkOffer() gives a reason that fits into REJECT, however long the name", () => {
  for (
    const path of [["\u{1f600}".repeat(9_000)], ["\u0000".repeat(60_000)], ["x".repeat(60_000)]]
  ) {
    const offer = checkOffer(path, 1);
    const reason = "reason" in offer ? offer.reason : "";
    assertEquals(reason.length > 0 && reason.length <= MAX_REASON_CHARS, true);
  }
});
