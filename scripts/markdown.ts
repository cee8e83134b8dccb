/**
 * Reads as much Markdown as the checks need: prose apart from fenced blocks, headings and links.
 *
 * @module
 */

/** A line of a document. */
export interface Line {
  /** Its text. */
  readonly text: string;
  /** Its number, from 1. */
  readonly line: number;
}

/** A fenced block. */
export interface Fence {
  /** The word behind the opening fence, in lower case; empty where there is none. */
  readonly language: string;
  /** What stands between the fences. */
  readonly lines: readonly Line[];
}

/** A document in parts. */
export interface Markdown {
  /** Every line outside of fenced blocks. */
  readonly prose: readonly Line[];
  /** The fenced blocks in order. */
  readonly fences: readonly Fence[];
}

/** Cuts a document into prose and fenced blocks; an unclosed block runs to the end. */
export function readMarkdown(text: string): Markdown {
  const prose: Line[] = [];
  const fences: { language: string; lines: Line[] }[] = [];
  let open: { language: string; lines: Line[] } | undefined;
  for (const [index, content] of text.split("\n").entries()) {
    const line = { text: content, line: index + 1 };
    const fence = /^\s*```\s*(\S*)/.exec(content);
    if (fence === null) (open?.lines ?? prose).push(line);
    else if (open !== undefined) open = undefined;
    else {
      open = { language: (fence[1] ?? "").toLowerCase(), lines: [] };
      fences.push(open);
    }
  }
  return { prose, fences };
}

/** The targets of links, images and link definitions, with their lines; code spans hold none. */
export function linkTargets(markdown: Markdown): Line[] {
  return markdown.prose.flatMap(({ text, line }) => {
    const bare = text.replace(/`[^`]*`/g, "");
    const inline = bare.matchAll(/\]\(\s*<?([^)>\s]+)>?(?:\s+"[^"]*")?\s*\)/g);
    const defined = bare.matchAll(/^\s*\[[^\]]+\]:\s*<?([^>\s]+)>?/g);
    return [...inline, ...defined].map(([, target = ""]) => ({ text: target, line }));
  });
}

/** The anchors that a document's headings give, as code hosts make them. */
export function headingAnchors(markdown: Markdown): Set<string> {
  const anchors = new Set<string>();
  for (const { text } of markdown.prose) {
    const heading = /^#{1,6}\s+(.*?)\s*#*\s*$/.exec(text)?.[1];
    if (heading === undefined) continue;
    const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const anchor = words.replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/g, "-");
    let unique = anchor;
    for (let count = 1; anchors.has(unique); count++) unique = `${anchor}-${count}`;
    anchors.add(unique);
  }
  return anchors;
}
