import { assertEquals } from "@std/assert";
import { isPublicAddress } from "./private_address.ts";

Deno.test("isPublicAddress() knows every network that is not public, to its edges", () => {
  const hidden = [
    ...["0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1"],
    ...["169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.0.1", "198.19.255.255"],
    ...["192.0.2.1", "203.0.113.9", "224.0.0.1", "255.255.255.255"],
    ...["::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "fe80::1", "fc00::1", "fd12:3456::1"],
    ...[
      "fec0::1",
      "ff02::1",
      "64:ff9b::a00:1",
      "2001::1",
      "2001:db8::1",
      "2002:7f00:1::",
      "3fff::1",
    ],
  ];
  assertEquals(hidden.filter(isPublicAddress), []);
  const open = [
    ...["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255"],
    ...["172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255"],
    ...["2606:4700::1111", "2a00:1450:4001::200e", "2001:4860:4860::8888"],
  ];
  assertEquals(open.filter((address) => !isPublicAddress(address)), []);
});

Deno.test("isPublicAddress() trusts no text that is no address", () => {
  const texts = [
    "",
    "localhost",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "fe80::1%eth0",
    "::g",
    "8.8.8.8/8",
  ];
  assertEquals(texts.filter(isPublicAddress), []);
});
