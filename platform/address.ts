/**
 * A TCP address as people write it: `HOST:PORT`, `[v6]:PORT`, `:PORT` or `HOST`.
 *
 * @module
 */

/** Where to listen or to connect. */
export interface Address {
  /** A DNS name or an IP address, IPv6 without brackets. */
  readonly hostname: string;
  /** A TCP port, 0 to 65535; 0 lets the system choose when listening. */
  readonly port: number;
}

/** What {@linkcode parseAddress} fills in where the text leaves it out. */
export interface AddressDefaults {
  /** The host of `:PORT`; without it that form is refused. */
  hostname?: string;
  /** The port of `HOST`; without it that form is refused. */
  port?: number;
}

/** What {@linkcode parseAddress} takes, for error messages and the manual. */
export const ADDRESS_SYNTAX = "an address such as HOST:PORT, [IPV6]:PORT, :PORT or HOST";

/** Longest host name, in characters (RFC 1035). */
const MAX_HOSTNAME_CHARS = 253;
const HOSTNAME = /^[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?$/;
const IPV6 = /^([0-9A-Fa-f:.]+)(?:%[A-Za-z0-9._-]+)?$/;
const BRACKETED = /^\[([^\]]*)\](?::(\d{1,5}))?$/;
const PLAIN = /^([^:[\]]*)(?::(\d{1,5}))?$/;

/**
 * Reads an address; undefined when the text is none, or leaves out what has no default. A bare number is
 * refused because it may be meant as a port or as a host; an IPv6 address without brackets has no port.
 */
export function parseAddress(text: string, defaults: AddressDefaults = {}): Address | undefined {
  const bracketed = BRACKETED.exec(text);
  if (bracketed !== null) {
    const [, hostname = "", port] = bracketed;
    return isIpv6(hostname) ? complete(hostname, port, defaults) : undefined;
  }
  if (text.split(":").length > 2) {
    return isIpv6(text) ? complete(text, undefined, defaults) : undefined;
  }
  const [, host = "", port] = PLAIN.exec(text) ?? [];
  if (host === "" && port === undefined) return undefined;
  if (/^\d+$/.test(host)) return undefined;
  const hostname = host === "" ? defaults.hostname : host;
  if (hostname === undefined || hostname.length > MAX_HOSTNAME_CHARS) return undefined;
  if (host !== "" && !HOSTNAME.test(hostname)) return undefined;
  return complete(hostname, port, defaults);
}

/** Shows an address as {@linkcode parseAddress} reads it, IPv6 in brackets. */
export function formatAddress(address: Address): string {
  const host = address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname;
  return `${host}:${address.port}`;
}

/** Whether a text is an IPv6 address, with or without a zone; URL knows the rules of its groups. */
function isIpv6(text: string): boolean {
  const [, groups] = IPV6.exec(text) ?? [];
  return groups !== undefined && URL.canParse(`http://[${groups}]/`);
}

function complete(
  hostname: string,
  digits: string | undefined,
  defaults: AddressDefaults,
): Address | undefined {
  const port = digits === undefined ? defaults.port : Number(digits);
  return port === undefined || port > 65_535 ? undefined : { hostname, port };
}
