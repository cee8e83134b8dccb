/**
 * Line coverage out of a report in LCOV format.
 *
 * @module
 */

/** Lines of one file. */
export interface FileCoverage {
  /** The file as the report names it: an absolute path. */
  readonly path: string;
  /** Lines that can run. */
  readonly lines: number;
  /** Those of them that ran. */
  readonly hit: number;
  /** Numbers of those that did not. */
  readonly missed: readonly number[];
}

/** The files of an LCOV report. */
export function readLcov(report: string): FileCoverage[] {
  return report.split("end_of_record").flatMap((record) => {
    const path = /^SF:(.*)$/m.exec(record)?.[1];
    if (path === undefined) return [];
    const counts = [...record.matchAll(/^DA:(\d+),(\d+)/gm)]
      .map(([, line, count]) => ({ line: Number(line), ran: Number(count) > 0 }));
    const missed = counts.filter(({ ran }) => !ran).map(({ line }) => line);
    return [{ path, lines: counts.length, hit: counts.length - missed.length, missed }];
  });
}

/** The share of all lines that ran, in percent; 0 where there is no line, for what was not seen did not run. */
export function coveredPercent(files: readonly FileCoverage[]): number {
  const lines = files.reduce((sum, file) => sum + file.lines, 0);
  const hit = files.reduce((sum, file) => sum + file.hit, 0);
  return lines === 0 ? 0 : 100 * hit / lines;
}
