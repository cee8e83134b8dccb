/**
 * What two parties sent, were promised, keep and showed, and whether that fits together: nothing acknowledged
 * is missing, nothing is there twice, and the order is the sender's. Pure; where the facts come from is the
 * business of `kill_story.ts`.
 *
 * @module
 */

/** What a sender was told of a message: nothing it could rely on, or that it is safe, and in which words. */
export type Acknowledgement = "queued" | "stored";

/** All messages of one direction, each known by its text, which no other message has. */
export interface Passage {
  /** Who sent them, for people. */
  sender: string;
  /** Every text that the sender may have got rid of, in the order in which it tried. */
  sent: readonly string[];
  /** The strongest promise that it got, by text. */
  acknowledged: ReadonlyMap<string, Acknowledgement>;
  /** Texts of which the sender was told that they were not taken. */
  refused: ReadonlySet<string>;
  /** What lies on the receiver's disk in the end, in its order. */
  held: readonly string[];
  /** What the receiver showed, in its order, over all of its lives. */
  shown: readonly string[];
}

/** What is wrong with a message or file. */
export type ViolationKind = "lost" | "twice" | "order" | "foreign";

/** One thing that must not be. */
export interface HistoryViolation {
  kind: ViolationKind;
  /** What happened to which message, for people. */
  what: string;
}

/** Everything that is wrong with one direction; empty when nothing is. */
export function checkPassage(passage: Passage): HistoryViolation[] {
  const { sender, sent, acknowledged, refused, held, shown } = passage;
  const places = new Map(sent.map((text, place) => [text, place]));
  const violations: HistoryViolation[] = [];
  const say = (kind: ViolationKind, text: string, what: string) =>
    void violations.push({ kind, what: `${what}: "${text}" of the ${sender}` });
  const kept = new Set(held);
  for (const [text, word] of acknowledged) {
    if (!kept.has(text)) say("lost", text, `acknowledged as ${word} and missing`);
  }
  for (const text of refused) if (kept.has(text)) say("foreign", text, "refused and there");
  for (const [what, texts] of [["stored", held], ["shown", shown]] as const) {
    for (const text of repeated(texts)) say("twice", text, `${what} more than once`);
    for (const { text, after } of misplaced(texts, places)) {
      say("order", text, `${what} after "${after}"`);
    }
    for (const text of texts) {
      if (!places.has(text)) say("foreign", text, `${what} and never sent`);
    }
  }
  for (const text of shown) {
    if (!kept.has(text)) say("lost", text, "shown and missing");
  }
  return violations;
}

/** A file as its sender or its receiver knows it. */
export interface KnownFile {
  /** Its final name at the receiver. */
  name: string;
  /** Its SHA-256 in hex. */
  sha256: string;
}

/** All files of one direction; no two that are sent have the same bytes. */
export interface FilePassage {
  /** Who sent them, for people. */
  sender: string;
  /** Digests of everything that was sent. */
  sent: ReadonlySet<string>;
  /** What the sender was told is stored. */
  acknowledged: readonly KnownFile[];
  /** What lies under a final name in the end. */
  held: readonly KnownFile[];
}

/** Everything that is wrong with the files of one direction; empty when nothing is. */
export function checkFiles({ sender, sent, acknowledged, held }: FilePassage): HistoryViolation[] {
  const violations: HistoryViolation[] = [];
  const digests = new Map(held.map(({ name, sha256 }) => [name, sha256]));
  const of = (name: string) => `"${name}" of the ${sender}`;
  for (const { name, sha256 } of acknowledged) {
    const found = digests.get(name);
    if (found === sha256) continue;
    const state = found === undefined ? "missing" : "with other bytes";
    violations.push({
      kind: "lost",
      what: `acknowledged as stored and ${state}: file ${of(name)}`,
    });
  }
  for (const { name, sha256 } of held) {
    if (sent.has(sha256)) continue;
    violations.push({ kind: "foreign", what: `bytes that nobody sent: file ${of(name)}` });
  }
  for (const digest of repeated(held.map(({ sha256 }) => sha256))) {
    const names = held.filter(({ sha256 }) => sha256 === digest).map(({ name }) => name);
    violations.push({ kind: "twice", what: `stored more than once: file ${of(names.join(", "))}` });
  }
  return violations;
}

/** Each text that occurs more than once, once. */
function repeated(texts: readonly string[]): string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const text of texts) (seen.has(text) ? twice : seen).add(text);
  return [...twice];
}

/** Texts that stand behind one that was sent later, each with that one. */
function misplaced(
  texts: readonly string[],
  places: ReadonlyMap<string, number>,
): { text: string; after: string }[] {
  let latest = -1;
  let after = "";
  return texts.flatMap((text) => {
    const place = places.get(text);
    if (place === undefined || place === latest) return [];
    if (place < latest) return [{ text, after }];
    [latest, after] = [place, text];
    return [];
  });
}
