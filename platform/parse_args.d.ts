/** The part of `@std/cli/parse-args` that the option table uses; the npm build carries no types. */
export function parseArgs(
  args: readonly string[],
  options: {
    string: readonly string[];
    boolean: readonly string[];
    collect: readonly string[];
    "--": true;
  },
): { readonly _: readonly string[]; readonly "--": readonly string[] } & {
  readonly [name: string]: unknown;
};
