/**
 * Which machines failed together: by when their trouble began, and by what they share. Pure.
 *
 * A machine that falls silent does so somewhere within an interval after its last byte, and one whose connection closed at
 * that moment. When a switch dies, the first of its machines is DOWN while all the others have been silent for at least
 * 1.5 intervals; so one look at that moment finds them all, and nobody has to wait to be told.
 *
 * @module
 */

/** What an alert knows of a client. */
export interface AlertSubject {
  readonly name: string;
  /** Where it last connected from, without a port. */
  readonly address: string;
  readonly tags: readonly string[];
}

/** When a machine's trouble began, on the monotonic clock. */
export interface Onset {
  /** Not before this. */
  readonly from: number;
  /** Not after this. */
  readonly to: number;
}

/** Fewest machines for which this server or its network is suspected rather than each of them. */
export const SUSPECT_SERVER_MIN = 3;
/** The part of all present machines for which it is. */
export const SUSPECT_SERVER_PART = 1 / 2;
/** Onsets this far apart, in intervals, still count as one: beats and closes are late by that at times. */
const ONSET_SLACK_INTERVALS = 0.25;

/** Whether two troubles can have begun at one moment. */
export function beganTogether(one: Onset, other: Onset, intervalMs: number): boolean {
  const slack = ONSET_SLACK_INTERVALS * intervalMs;
  return one.from <= other.to + slack && other.from <= one.to + slack;
}

/** Whether so many machines of all that are present make the server itself, or its network, the suspect. */
export function isServerSuspect(failed: number, present: number): boolean {
  return failed >= SUSPECT_SERVER_MIN && failed >= present * SUSPECT_SERVER_PART;
}

/** The network that an address is in: the /24 of IPv4, the /64 of IPv6; the address itself when it is neither. */
export function addressBlock(address: string): string {
  const [a, b, c, d, ...rest] = address.split(".");
  if (d !== undefined && rest.length === 0 && !address.includes(":")) return `${a}.${b}.${c}.0/24`;
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(zeros).fill("0"), ...right].slice(0, 4);
  const network = groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":");
  return `${network}::/64`;
}

/** Whether two machines share a tag or a network. */
export function areRelated(one: AlertSubject, other: AlertSubject): boolean {
  if (one.address !== "" && addressBlock(one.address) === addressBlock(other.address)) return true;
  return one.tags.some((tag) => other.tags.includes(tag));
}

/**
 * What the failed machines have in common, in words, such as `all 12 of @tills` or `12 of 14 in 10.1.2.0/24`; of several
 * things the one of which the largest part failed. Undefined for a single machine. `present` are all machines that were
 * there before, the failed ones included.
 */
export function commonScope(
  failed: readonly AlertSubject[],
  present: readonly AlertSubject[],
): string | undefined {
  const [first] = failed;
  if (first === undefined || failed.length < 2) return undefined;
  if (failed.length === present.length) return `all ${present.length} machines`;
  const tags = first.tags.filter((tag) => failed.every((subject) => subject.tags.includes(tag)));
  const scopes = tags.map((tag) => ({
    of: present.filter((subject) => subject.tags.includes(tag)).length,
    where: `of @${tag}`,
  }));
  const block = first.address === "" ? undefined : addressBlock(first.address);
  if (block !== undefined && failed.every(({ address }) => addressBlock(address) === block)) {
    const of = present.filter(({ address }) => addressBlock(address) === block).length;
    scopes.push({ of, where: `in ${block}` });
  }
  scopes.sort((one, other) => one.of - other.of);
  const [best] = scopes;
  if (best === undefined) return `${failed.length} of ${present.length} machines`;
  return best.of === failed.length
    ? `all ${best.of} ${best.where}`
    : `${failed.length} of ${best.of} ${best.where}`;
}
