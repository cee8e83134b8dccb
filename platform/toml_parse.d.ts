/** Types of `@std/toml/parse`; the npm build carries none. Throws `SyntaxError` naming the line. */
export function parse(tomlString: string): Record<string, unknown>;
