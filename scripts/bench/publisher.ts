/**
 * What every contestant of the message benchmark can do.
 *
 * @module
 */

/** Sends messages on one connection; disposing of it closes the connection. */
export interface Publisher extends AsyncDisposable {
  /** Rejects when the connection ends before it is disposed of; never resolves. */
  readonly failed: Promise<never>;
  /** Sends one message and calls `acknowledged` once, when the other side has acknowledged it. */
  publish(text: string, acknowledged: () => void): void;
}

/** A contestant that runs. */
export interface ReadyBroker extends AsyncDisposable {
  /** The process that stores messages. */
  readonly pid: number;
  /** Opens so many connections; whoever called disposes of them. */
  connect(count: number): Promise<Publisher[]>;
}

/** A server that acknowledges messages. */
export interface Broker {
  readonly name: string;
  /** What it is, in a line for the table. */
  readonly about: string;
  /** What has happened when it acknowledges, in a line for the table. */
  readonly acknowledged: string;
  /** Why it cannot take part, if so. */
  missing(): Promise<string | undefined>;
  /** Starts it with its data in `directory`, an empty folder of its own on the medium. */
  open(directory: string): Promise<ReadyBroker>;
}
