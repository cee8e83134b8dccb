/**
 * One row of comma-separated values as in RFC 4180. Pure.
 *
 * @module
 */

import { visible } from "./visible_text.ts";

/** What makes a spreadsheet take a cell for a formula, at its beginning. */
const FORMULA = /^[=+\-@\t\r＝＋－＠]/;

/**
 * The row without its line end. Control characters are made visible; what a spreadsheet would run as a formula gets a `'` in
 * front, unless it is a number.
 */
export function csvRow(cells: readonly string[]): string {
  return cells.map(csvCell).join(",");
}

function csvCell(text: string): string {
  const isFormula = FORMULA.test(text) && !/^-?\d+(\.\d+)?$/.test(text);
  const shown = visible(isFormula ? `'${text}` : text);
  return /[",]/.test(shown) || shown !== shown.trim() ? `"${shown.replaceAll('"', '""')}"` : shown;
}
