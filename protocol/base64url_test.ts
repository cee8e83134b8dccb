import { assertEquals, assertThrows } from "@std/assert";
import { decodeBase64Url, encodeBase64Url } from "./base64url.ts";

const PAIRS: [hex: string, text: string][] = [
  ["", ""],
  ["66", "Zg"],
  ["666f", "Zm8"],
  ["666f6f", "Zm9v"],
  ["fbff", "-_8"],
  ["00", "AA"],
];

Deno.test("encodeBase64Url() and decodeBase64Url() are each other's inverse, without padding [HB-8]", () => {
  for (const [hex, text] of PAIRS) {
    assertEquals(encodeBase64Url(Uint8Array.fromHex(hex)), text);
    assertEquals(decodeBase64Url(text), Uint8Array.fromHex(hex));
  }
});

Deno.test("decodeBase64Url() throws a SyntaxError for anything but the one encoding of some bytes [HB-8]", () => {
  for (
    const text of ["Zg==", "Zg=", "Z", "Zh", "Zm9", "+_8", "-/8", "Z g", "Zg\n", "Zé", "AAAAA"]
  ) {
    assertThrows(() => decodeBase64Url(text), SyntaxError);
  }
});
