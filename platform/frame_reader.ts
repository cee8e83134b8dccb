/**
 * The frames of one greeted connection: a wrong field is answered and counted, everything else that is wrong
 * ends the connection (HB-7, HB-9). Whoever sends without a pause gets turns like everybody else: reads that
 * find bytes waiting never give the event loop back by themselves.
 *
 * @module
 */

import { nextTurn } from "./clock.ts";
import {
  type Connection,
  type Frame,
  MAX_BAD_FIELDS,
  ProtocolError,
  type UnknownFrame,
} from "../protocol/mod.ts";

/** Frames that one connection is served in a row before the others get their turn; 256 take about 2 ms. */
const FRAMES_PER_TURN = 256;

/** Reads frames; one caller at a time. */
export class FrameReader {
  #connection: Connection;
  #badFields = 0;
  #frames = 0;

  /** Counts from none. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * The next frame whose fields are right, or null at the end of the stream. Rejects with what ends the
   * connection, such as the last bad field that one connection may send.
   */
  async next(): Promise<Frame | UnknownFrame | null> {
    if (this.#frames++ % FRAMES_PER_TURN === FRAMES_PER_TURN - 1) await nextTurn();
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
