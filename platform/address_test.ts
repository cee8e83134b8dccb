import { assertEquals } from "@std/assert";
import { formatAddress, parseAddress } from "./address.ts";

const defaults = { hostname: "0.0.0.0", port: 5001 };

Deno.test("parseAddress() reads every form", () => {
  const cases: [string, string, number][] = [
    ["127.0.0.1:5001", "127.0.0.1", 5001],
    ["example.com:0", "example.com", 0],
    ["my_host-1.lan.:65535", "my_host-1.lan.", 65535],
    [":6000", "0.0.0.0", 6000],
    ["localhost", "localhost", 5001],
    ["[::1]:7", "::1", 7],
    ["[::1]", "::1", 5001],
    ["::1", "::1", 5001],
    ["::", "::", 5001],
    ["[fe80::1%eth0]:8", "fe80::1%eth0", 8],
    ["::ffff:10.0.0.1", "::ffff:10.0.0.1", 5001],
  ];
  for (const [text, hostname, port] of cases) {
    assertEquals(parseAddress(text, defaults), { hostname, port }, text);
  }
});

Deno.test("parseAddress() refuses what is no address", () => {
  for (
    const text of [
      "",
      ":",
      "5001",
      "host:",
      "host:65536",
      "host:-1",
      "host:1e3",
      "a b:1",
      "[::1",
      "::1]:5",
    ]
      .concat("[host]:1", "[]:1", "ho\nst:1", "http://x:1", "host:5001/", "a:b:c", "ü:1", "-x:1")
      .concat(`${"a".repeat(254)}:1`, "[::1]:65536", "1.2.3.4:123456")
  ) assertEquals(parseAddress(text, defaults), undefined, text);
});

Deno.test("parseAddress() needs what has no default", () => {
  assertEquals(parseAddress(":1"), undefined);
  assertEquals(parseAddress("host"), undefined);
  assertEquals(parseAddress("::1"), undefined);
  assertEquals(parseAddress("host:1"), { hostname: "host", port: 1 });
});

Deno.test("formatAddress() writes what parseAddress() reads", () => {
  for (const text of ["127.0.0.1:5001", "[::1]:7", "example.com:0"]) {
    const address = parseAddress(text);
    assertEquals(address && formatAddress(address), text);
  }
});
