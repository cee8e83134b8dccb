/**
 * Under which addresses clients may find this machine when the operator names none.
 *
 * @module
 */

/** Addresses that are put into a join key at most. */
const MAX_ADDRESSES = 8;

const ANY_ADDRESS = ["0.0.0.0", "::", ""];

/** One network interface's address, as `Deno.networkInterfaces()` gives it. */
export type InterfaceAddress = Pick<Deno.NetworkInterfaceInfo, "address" | "family">;

/**
 * The address that the server listens on, or all of this machine's when it listens on all: IPv4 first,
 * without loopback and link-local ones, which other machines cannot use. A machine without any other has
 * the loopback.
 */
export function reachableAddresses(
  listening: string,
  interfaces: () => InterfaceAddress[] = Deno.networkInterfaces,
): string[] {
  if (!ANY_ADDRESS.includes(listening)) return [listening];
  const usable = interfaces().filter(({ address, family }) =>
    family === "IPv4"
      ? !address.startsWith("127.") && !address.startsWith("169.254.")
      : listening === "::" && address !== "::1" && !/^fe[89ab]/i.test(address)
  );
  const v4 = usable.filter(({ family }) => family === "IPv4");
  const v6 = usable.filter(({ family }) => family === "IPv6");
  const all = [...v4, ...v6].map(({ address }) => address);
  return all.length > 0 ? [...new Set(all)].slice(0, MAX_ADDRESSES) : ["127.0.0.1"];
}
