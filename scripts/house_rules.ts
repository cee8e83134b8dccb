/**
 * What only named files of the product may do. The table is the whole configuration: to let another file do
 * it, name the file here. Tests and scripts are free.
 *
 * @module
 */

import type { SourceFile } from "./source_tree.ts";
import type { Violation } from "./violation.ts";

/** A thing that only some files may do. */
export interface HouseRule {
  /** What is limited, for people: `<what> only in …`. */
  readonly what: string;
  /** What it looks like, with the `g` flag. */
  readonly pattern: RegExp;
  /** Where the pattern is looked for: in code without comments and literals, or in literals. */
  readonly within: "code" | "literals";
  /** The files that may; each must exist and make use of it. */
  readonly allow: readonly string[];
}

/** The house rules. */
export const HOUSE_RULES: readonly HouseRule[] = [
  {
    what: "arguments, exit codes, signals and environment",
    pattern: /\bDeno\s*\.\s*(args|exit|exitCode|addSignalListener|env)\b/g,
    within: "code",
    allow: ["client/main.ts", "server/main.ts"],
  },
  {
    what: "opening and accepting connections",
    pattern: /\bDeno\s*\.\s*(listen|listenTls|listenDatagram|connect|connectTls|startTls|serve)\b/g,
    within: "code",
    allow: [
      "client/dial.ts",
      "server/http/api_server.ts",
      "server/listener.ts",
      "server/own_port.ts",
      "server/tls_gate.ts",
    ],
  },
  {
    what: "connections, processes and timers of Node",
    pattern:
      /^node:(child_process|cluster|dgram|http|http2|https|net|process|timers|timers\/promises|tls)$/g,
    within: "literals",
    allow: [],
  },
  {
    what: "clocks and timers",
    pattern: new RegExp(
      [
        /\b(Date|performance)\s*\.\s*now\b/,
        /\bnew\s+Date\s*(\(\s*\)|(?![\w\s(]))/,
        /\bAbortSignal\s*\.\s*timeout\b/,
        /\bTemporal\s*\.\s*Now\b/,
        /(?<![.\w]|\bfunction )(setTimeout|setInterval)\b/,
        /\bglobalThis\s*\.\s*(setTimeout|setInterval)\b/,
      ].map((pattern) => pattern.source).join("|"),
      "g",
    ),
    within: "code",
    allow: ["platform/clock.ts"],
  },
  {
    what: "randomness",
    pattern: new RegExp(
      [
        /\bMath\s*\.\s*random\b/,
        /\bcrypto\s*\.\s*(randomUUID|getRandomValues|randomBytes|randomInt)\b/,
        /\bimport\s*\{[^}]*\b(randomUUID|getRandomValues|randomBytes|randomInt)\b/,
      ].map((pattern) => pattern.source).join("|"),
      "g",
    ),
    within: "code",
    allow: ["platform/random.ts"],
  },
  {
    what: "the database",
    pattern: /\b(DatabaseSync|StatementSync)\b/g,
    within: "code",
    allow: [
      "client/upload_memory.ts",
      "platform/database.ts",
      "platform/database_copy.ts",
      "server/group_commit.ts",
      "server/store_statements.ts",
      "server/store_worker.ts",
    ],
  },
  {
    what: "SQL",
    pattern: new RegExp(
      [
        /\bSELECT\b/,
        /\bDELETE\s+FROM\b/,
        /\b(INSERT|REPLACE)(\s+OR\s+\w+)?\s+INTO\b/,
        /\bUPDATE\s+\S+\s+SET\b/,
        /\b(CREATE|DROP|ALTER)\s+(TABLE|INDEX|UNIQUE|VIEW|TRIGGER)\b/,
        /\bPRAGMA\s+\w/,
      ].map((pattern) => pattern.source).join("|"),
      "g",
    ),
    within: "literals",
    allow: [
      "client/journal.ts",
      "client/outbox.ts",
      "client/store.ts",
      "client/upload_memory.ts",
      "platform/database.ts",
      "platform/database_copy.ts",
      "server/retention.ts",
      "server/store_alerts.ts",
      "server/store_clients.ts",
      "server/store_database.ts",
      "server/store_deliveries.ts",
      "server/store_files.ts",
      "server/store_messages.ts",
      "server/store_pushes.ts",
      "server/store_reports.ts",
      "server/store_schema.ts",
      "server/store_statements.ts",
      "server/store_timeline.ts",
    ],
  },
  {
    what: "console",
    pattern: /(?<!\.)\bconsole\s*\.|\bglobalThis\s*\.\s*console\b/g,
    within: "code",
    allow: [],
  },
  {
    what: "Deno or globalThis under another name (write `Deno.<member>` in full)",
    pattern: /(?<![.\w])(Deno|globalThis)(?!\s*\.|\w)/g,
    within: "code",
    allow: [],
  },
];

/** The breaches of `rules` by product files, and the allowances that no file needs. */
export function checkHouseRules(
  files: readonly SourceFile[],
  rules: readonly HouseRule[] = HOUSE_RULES,
): Violation[] {
  return rules.flatMap((rule) => {
    const uses = files.filter((file) => file.isProduct)
      .flatMap((file) => offsetsOf(rule, file).map((offset) => ({ file, offset })));
    const users = new Set(uses.map(({ file }) => file.path));
    const only = rule.allow.length === 0 ? "nowhere" : `only in ${rule.allow.join(", ")}`;
    return [
      ...uses.filter(({ file }) => !rule.allow.includes(file.path)).map(({ file, offset }) => ({
        file: file.path,
        line: file.lineAt(offset),
        rule: `${rule.what} ${only}`,
      })),
      ...rule.allow.filter((path) => !users.has(path)).map((path) => ({
        file: path,
        line: 1,
        rule: `allowed ${rule.what} by scripts/house_rules.ts and is absent or makes no use of it`,
      })),
    ];
  });
}

function offsetsOf(rule: HouseRule, file: SourceFile): number[] {
  if (rule.within === "code") return [...file.code.matchAll(rule.pattern)].map((hit) => hit.index);
  return file.tokens.filter((token) => token.kind === "string" || token.kind === "template")
    .flatMap((token) =>
      [...token.value.matchAll(rule.pattern)].map((hit) => token.start + hit.index)
    );
}
