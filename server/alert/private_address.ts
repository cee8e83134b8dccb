/**
 * Tells addresses of the public internet from those that only mean something near this machine. Pure.
 *
 * @module
 */

/** IPv4 networks that are not public: IANA's special-purpose registry, RFC 6890 and its successors. */
const PRIVATE_V4: readonly (readonly [network: string, bits: number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
];

/** Groups of an IPv6 address. */
const V6_GROUPS = 8;

/** Whether an IP address is of the public internet; what is no address is not. */
export function isPublicAddress(address: string): boolean {
  const v4 = parseV4(address);
  if (v4 !== undefined) return !PRIVATE_V4.some(([network, bits]) => isIn(v4, network, bits));
  const v6 = parseV6(address);
  if (v6 === undefined) return false;
  const [first = 0, second = 0] = v6;
  // Global unicast only; of that not: 6to4, Teredo and documentation, behind which any IPv4 address may be.
  if (first >> 13 !== 1 || first === 0x2002) return false;
  return !(first === 0x2001 && (second < 0x200 || second === 0xdb8)) && first !== 0x3fff;
}

function isIn(address: number, network: string, bits: number): boolean {
  const size = 2 ** (32 - bits);
  return Math.floor(address / size) === Math.floor((parseV4(network) ?? 0) / size);
}

function parseV4(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || parts.some((part) => !/^\d{1,3}$/.test(part))) return undefined;
  const bytes = parts.map(Number);
  if (bytes.some((byte) => byte > 255)) return undefined;
  return bytes.reduce((all, byte) => all * 256 + byte, 0);
}

function parseV6(text: string): number[] | undefined {
  // A zone, as in fe80::1%eth0, means a network near this machine.
  const url = URL.parse(`http://[${text}]/`);
  if (url === null || !text.includes(":")) return undefined;
  const [head = "", tail] = url.hostname.slice(1, -1).split("::");
  const groups = (part: string) =>
    part === "" ? [] : part.split(":").map((hex) => parseInt(hex, 16));
  const [before, after] = [groups(head), groups(tail ?? "")];
  const zeros = new Array(V6_GROUPS - before.length - after.length).fill(0);
  return [...before, ...zeros, ...after];
}
