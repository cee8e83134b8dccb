import { assertEquals } from "@std/assert";
import { MAX_REPEATED_CHARS, redact, secretsOf } from "./redaction.ts";

Deno.test("redact() hides every part of an address beyond its host, as it stands and decoded", () => {
  const secrets = secretsOf(new URL("https://kim:p%40ss@x.org/services/T0AB-xyz1?token=hush&n=1"));
  const said = "kim p@ss p%40ss services/T0AB-xyz1 T0AB-xyz1 token=hush hush x.org n";
  assertEquals(redact(said, secrets), "kim *** *** *** *** token=*** *** x.org n");
  assertEquals(
    redact("GET https://kim:p%40ss@x.org/services/T0AB-xyz1?token=hush&n=1", secrets),
    "GET ***",
  );
});

Deno.test("redact() gives one harmless line of bounded length", () => {
  assertEquals(redact("a\r\n\tb \u001b[31mc\u202e", []), "a b \\x1b[31mc\\u202e");
  const long = redact("x".repeat(5_000), []);
  assertEquals(long, `${"x".repeat(MAX_REPEATED_CHARS)}… (4800 more)`);
});
