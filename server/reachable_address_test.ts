import { assertEquals } from "@std/assert";
import { type InterfaceAddress, reachableAddresses } from "./reachable_address.ts";

const v4 = (address: string): InterfaceAddress => ({ family: "IPv4", address });
const v6 = (address: string): InterfaceAddress => ({ family: "IPv6", address });

const ALL = [
  v4("127.0.0.1"),
  v6("::1"),
  v6("fe80::1"),
  v6("2001:db8::7"),
  v4("169.254.7.7"),
  v4("10.0.0.7"),
  v4("192.168.1.7"),
];

Deno.test("reachableAddresses() is the one address that the server listens on", () => {
  const never = () => {
    throw new Error("nobody needs the interfaces");
  };
  assertEquals(reachableAddresses("10.0.0.9", never), ["10.0.0.9"]);
  assertEquals(reachableAddresses("hb.example", never), ["hb.example"]);
});

Deno.test("reachableAddresses() of all IPv4 addresses leaves out what others cannot use", () => {
  for (const any of ["0.0.0.0", ""]) {
    assertEquals(reachableAddresses(any, () => ALL), ["10.0.0.7", "192.168.1.7"]);
  }
});

Deno.test("reachableAddresses() of :: has IPv6 too, behind IPv4", () => {
  assertEquals(reachableAddresses("::", () => ALL), ["10.0.0.7", "192.168.1.7", "2001:db8::7"]);
});

Deno.test("reachableAddresses() of a machine without a network is the loopback", () => {
  assertEquals(reachableAddresses("0.0.0.0", () => ALL.slice(0, 3)), ["127.0.0.1"]);
  assertEquals(reachableAddresses("0.0.0.0", () => []), ["127.0.0.1"]);
});

Deno.test("reachableAddresses() names each address once, and at most eight", () => {
  const many = Array.from({ length: 20 }, (_, at) => v4(`10.0.0.${at >> 1}`));
  assertEquals(reachableAddresses("0.0.0.0", () => many), [
    "10.0.0.0",
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.0.4",
    "10.0.0.5",
    "10.0.0.6",
    "10.0.0.7",
  ]);
});

Deno.test("reachableAddresses() reads this machine's own interfaces", () => {
  for (const address of reachableAddresses("0.0.0.0")) assertEquals(address.split(".").length, 4);
});
