/**
 * The reason of a failure in one line, fit to be published.
 *
 * @module
 */

/**
 * The line of an error, or of what a program said, that tells most: the last one that speaks of an error, else
 * the last one. Each of `places`, folders of this machine, is left out of it.
 */
export function problemText(problem: unknown, places: readonly string[] = []): string {
  const message = problem instanceof Error ? problem.message : String(problem);
  const lines = message.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const line = lines.findLast((one) => /\berror\b|\bcannot\b/i.test(one)) ?? lines.at(-1) ??
    "nothing was said";
  return places.reduce((text, place) => text.replaceAll(place, "…"), line);
}
