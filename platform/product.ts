/**
 * What this product calls itself: one version for both programs.
 *
 * @module
 */

/** Version of both programs, as in deno.json and CHANGELOG.md. */
export const PRODUCT_VERSION = "1.0.0";

/** A program of this product. */
export type ProgramName = "hbserver" | "hbclient";

/** System and processor, such as `linux x86_64`. */
export function systemName(): string {
  return `${Deno.build.os} ${Deno.build.arch}`;
}

/** The answer to `--version`: `hbserver 1.0.0 (deno 2.9.5, linux x86_64)`. */
export function versionLine(program: ProgramName): string {
  return `${program} ${PRODUCT_VERSION} (deno ${Deno.version.deno}, ${systemName()})`;
}

/** How a program introduces itself in HELLO: `hbclient/1.0.0 (linux x86_64)`. */
export function appName(program: ProgramName): string {
  return `${program}/${PRODUCT_VERSION} (${systemName()})`;
}
