/**
 * Reads the numbered clauses of a specification in Markdown: `**HB-12** text …` at the start of a line.
 *
 * @module
 */

/** One clause. */
export interface Clause {
  /** Its id, such as `HB-12`. */
  readonly id: string;
  /** Line of the id, from 1. */
  readonly line: number;
  /** Everything from the id to the next clause or heading; fenced blocks left out. */
  readonly text: string;
}

/** The clauses of `markdown` in the order they stand in, repeated ids included. */
export function readClauses(markdown: string): Clause[] {
  const clauses: { id: string; line: number; text: string }[] = [];
  let fenced = false;
  let inClause = false;
  for (const [index, line] of markdown.split("\n").entries()) {
    if (line.trimStart().startsWith("```")) fenced = !fenced;
    else if (fenced) continue;
    const id = /^\*\*(HB-\d+)\*\*/.exec(line)?.[1];
    if (id !== undefined) clauses.push({ id, line: index + 1, text: "" });
    inClause = id !== undefined || inClause && !line.startsWith("#");
    const last = clauses.at(-1);
    if (inClause && last !== undefined) last.text += line + "\n";
  }
  return clauses;
}

/** The number in a clause id: 12 of `HB-12`. */
export function clauseNumber(id: string): number {
  return Number(id.replace(/^HB-/, ""));
}

/** Every clause id that `text` names, with its line from 1, in order. */
export function clauseMentions(text: string): { id: string; line: number }[] {
  return text.split("\n").flatMap((content, index) =>
    [...content.matchAll(/(?<![\w-])HB-\d+(?![\w-])/g)].map(([id]) => ({ id, line: index + 1 }))
  );
}
