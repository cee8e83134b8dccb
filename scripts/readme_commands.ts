/**
 * Reads the commands that the README shows, and checks that the tests know each of them.
 *
 * @module
 */

import { type Line, readMarkdown } from "./markdown.ts";
import type { SourceFile } from "./source_tree.ts";
import type { Violation } from "./violation.ts";

const README = "README.md";
/** Exports the README's commands as string literals, one each, with what a test needs to run them. */
const TABLE = "tests/readme_commands.ts";
/** Runs them. */
const TEST = "tests/readme_test.ts";

/** The languages of blocks that hold commands. */
const SHELL_LANGUAGES = new Set(["sh", "bash", "shell", "console"]);

/** Commands of ours: the two programs, and what runs them without an installation. */
const OUR_COMMAND = /^(?:\w+=\S* )*(?:hbserver|hbclient|deno task|npx)(?: |$)/;

/**
 * The commands of ours in the shell blocks of a document, with white space made single, prompts and comments
 * taken off and continued lines joined.
 */
export function shownCommands(text: string): Line[] {
  const blocks = readMarkdown(text).fences.filter((fence) => SHELL_LANGUAGES.has(fence.language));
  return blocks.flatMap((fence) => joinContinued(fence.lines))
    .map(({ text, line }) => ({ text: normalizeCommand(text), line }))
    .filter(({ text }) => OUR_COMMAND.test(text));
}

/** Commands that README shows and no string of the table is, and a test that does not read the table. */
export function checkReadmeCommands(readme: string, files: readonly SourceFile[]): Violation[] {
  const table = files.find((file) => file.path === TABLE);
  const test = files.find((file) => file.path === TEST);
  const known = new Set(
    table?.tokens.filter((token) => token.kind === "string" || token.kind === "template")
      .map((token) => normalizeCommand(token.value)),
  );
  const violations = shownCommands(readme).filter(({ text }) => !known.has(text)).map(
    ({ text, line }) => ({ file: README, line, rule: `${TABLE} does not list \`${text}\`` }),
  );
  const reads = test?.tokens.some((token) =>
    token.kind === "string" && token.value.endsWith("readme_commands.ts")
  );
  if (reads) return violations;
  return [...violations, { file: TEST, line: 1, rule: `is absent or does not import ${TABLE}` }];
}

/** Makes one line of each command that goes on behind a backslash. */
function joinContinued(lines: readonly Line[]): Line[] {
  const joined: { text: string; line: number }[] = [];
  let open: { text: string; line: number } | undefined;
  for (const { text, line } of lines) {
    const command = open ?? { text: "", line };
    if (open === undefined) joined.push(command);
    const continues = text.endsWith("\\");
    command.text += continues ? text.slice(0, -1) : text;
    open = continues ? command : undefined;
  }
  return joined;
}

/** Takes off the prompt and a comment outside of quotes, and makes white space single. */
function normalizeCommand(text: string): string {
  const parts =
    text.trim().replace(/^\$ /, "").match(/"[^"]*"|'[^']*'|\s+#.*$|\s+|[^\s"']+|["']/g) ?? [];
  return parts.map((part) => /^\s+#/.test(part) ? "" : /^\s+$/.test(part) ? " " : part).join("")
    .trim();
}
