/**
 * What may be sent as the text of one message.
 *
 * @module
 */

import { MAX_MESSAGE_BYTES } from "../protocol/mod.ts";
import { ClientError } from "./client_error.ts";
import { EXIT } from "./exit_code.ts";

const encoder = new TextEncoder();

/** Throws a `ClientError` with exit code 2 for a text that is empty, too long or not Unicode. */
export function checkMessageText(text: string): void {
  const refuse = (what: string, hint?: string) => {
    throw new ClientError(`Cannot send the message: ${what}`, {
      exitCode: EXIT.usage,
      code: "bad_message",
      hint,
    });
  };
  if (text === "") refuse("its text is empty");
  if (!text.isWellFormed()) refuse("its text is not well-formed Unicode");
  // A string has at most as many UTF-16 units as UTF-8 bytes: a huge one is refused without work.
  const bytes = text.length > MAX_MESSAGE_BYTES ? text.length : encoder.encode(text).length;
  if (bytes > MAX_MESSAGE_BYTES) {
    refuse(`its text is longer than ${MAX_MESSAGE_BYTES} bytes`, "Send it as a file");
  }
}
