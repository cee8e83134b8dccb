/**
 * The frames of one greeted connection: a wrong field is answered and counted, everything else that is wrong
 * ends the connection (HB-7, HB-9).
 *
 * @module
 */

import {
  type Connection,
  type Frame,
  MAX_BAD_FIELDS,
  ProtocolError,
  type UnknownFrame,
} from "../protocol/mod.ts";

/** Reads frames; one caller at a time. */
export class FrameReader {
  #connection: Connection;
  #badFields = 0;

  /** Counts from none. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * The next frame whose fields are right, or null at the end of the stream. Rejects with what ends the
   * connection, such as the last bad field that one connection may send.
   */
  async next(): Promise<Frame | UnknownFrame | null> {
    while (true) {
      try {
        return await this.#connection.readFrame();
      } catch (error) {
        if (!(error instanceof ProtocolError) || error.code !== "bad_field") throw error;
        if (++this.#badFields >= MAX_BAD_FIELDS) throw error;
        this.#connection.send({ verb: "REFUSE", code: "bad_frame", reason: error.message });
      }
    }
  }
}
