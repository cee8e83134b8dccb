/**
 * A client machine as the server and the network meet it: it beats, answers PING, reconnects as the product does,
 * and suffers whatever a story has for it. It knows the rules of `client/heartbeat.ts` and `client/dial.ts`; of the
 * product only the waits between reconnects run here.
 *
 * What it is going to send next is planned ahead as an arrival at the server, and taken back when something happens
 * to the machine before it is sent; so a heartbeat costs one event, not two.
 *
 * @module
 */

import { CONNECT_DEADLINE_MS } from "../../client/dial.ts";
import { Reconnect, shutdownDelay } from "../../client/reconnect.ts";
import { GREETING_DEADLINE_MS, SERVER_SILENT_INTERVALS } from "../../protocol/mod.ts";
import type { Cause } from "../../server/presence.ts";
import type { EventQueue } from "./event_queue.ts";
import { handshake, type Path, SimStream } from "./sim_network.ts";
import type { ConnectedMachine, SimConnection } from "./sim_connection.ts";
import type { SimRandom } from "./sim_random.ts";
import type { SimServer } from "./sim_server.ts";

/** A pause from which on a machine asks for a sign of life when it runs again, in milliseconds. */
const SLEPT_MS = 5_000;
/** Round trips of TLS and of the greeting before the server knows who it is. */
const GREETING_TRIPS = 2;

/** What is on its way to the server. */
const NOTHING = 0;
const HELLO = 1;
const BEAT = 2;
const PONG = 3;

/** What a {@linkcode SimMachine} is made of. */
export interface MachineOptions {
  readonly index: number;
  readonly queue: EventQueue;
  readonly server: SimServer;
  readonly random: SimRandom;
  readonly up: Path;
  readonly down: Path;
  /** Time between two heartbeats, in milliseconds. */
  readonly intervalMs: number;
}

/** One machine. */
export class SimMachine implements ConnectedMachine {
  /** Its id at the server. */
  readonly id: string;
  /** Its number in the world. */
  readonly index: number;
  /** Beats that it has planned or sent. */
  beats = 0;
  readonly #options: MachineOptions;
  readonly #queue: EventQueue;
  readonly #arrival: number;
  readonly #timer: number;
  #reconnect: Reconnect;
  #phase: "off" | "waiting" | "dialling" | "greeting" | "connected" = "off";
  #connection: SimConnection | undefined;
  #connectedAt = 0;
  #stillUntil = 0;
  // The next arrival at the server:
  #head = NOTHING;
  #headSentAt = 0;
  #headPing = 0;
  /** Round trips of the greeting under way. */
  #tripsLeft = 0;
  // What is to be sent after it:
  #nextBeat = Infinity;
  #isFirstBeat = false;
  #nextPong = Infinity;
  #nextPing = 0;
  #morePongs: { at: number; ping: number }[] = [];

  /** A machine that is switched off. */
  constructor(options: MachineOptions) {
    this.#options = options;
    this.#queue = options.queue;
    this.index = options.index;
    this.id = `m${options.index}`;
    this.#arrival = options.queue.slot({ happen: () => this.#arrive() });
    this.#timer = options.queue.slot({ happen: () => this.#onTimer() });
    this.#reconnect = new Reconnect(options.random.random);
  }

  /** Whether its process runs. */
  get isOn(): boolean {
    return this.#phase !== "off";
  }

  /** Starts the process; it connects at once. */
  start(): void {
    if (this.isOn) return;
    this.#reconnect = new Reconnect(this.#options.random.random);
    this.#dial();
  }

  /** Ends the process; its kernel closes the connection. */
  kill(): void {
    this.#close();
    this.#switchOff();
  }

  /** Ends everything at once; nobody closes the connection. */
  powerOff(): void {
    this.#detach({ cut: true });
    this.#switchOff();
  }

  /** Says BYE where connected, and ends. */
  leave(cause: Cause, backInMs: number | undefined): void {
    const connection = this.#phase === "connected" ? this.#connection : undefined;
    const { server } = this.#options;
    if (connection !== undefined) {
      this.#detach({ cut: false });
      const arrives = connection.up.send(this.#queue.time);
      this.#queue.at(arrives, () => server.bye(connection, cause, backInMs));
    } else this.#close();
    this.#switchOff();
  }

  /** Stands still until a moment; the story has told the network of it as well. */
  standStill(until: number): void {
    const now = this.#queue.time;
    this.#stillUntil = until;
    this.#unplan();
    this.#plan();
    if (this.#queue.dueOf(this.#timer) < until) this.#queue.set(this.#timer, until);
    if (until - now > SLEPT_MS) this.#queue.at(until, () => this.#probe());
  }

  /** Takes bytes that the server sent, which will have arrived at `at`: in time, or too late for this connection. */
  hear(connection: SimConnection, at: number): void {
    if (connection !== this.#connection || this.#phase !== "connected") return;
    if (at > this.#queue.dueOf(this.#timer)) return;
    // A beat that is on its way is unanswered: it must not wait for longer, whatever else comes.
    const isUnanswered = this.#head === BEAT && this.#headSentAt <= at;
    const alive = isUnanswered ? this.#headSentAt : at;
    this.#queue.set(this.#timer, alive + this.#silenceMs);
  }

  /** Answers a PING that will have arrived at `at`; `ping` is when the server sent it, by its own clock. */
  pinged(connection: SimConnection, at: number, ping: number): void {
    if (connection !== this.#connection || this.#phase !== "connected") return;
    if (this.#nextPong === Infinity) {
      this.#nextPong = at;
      this.#nextPing = ping;
    } else this.#morePongs.push({ at, ping });
    if (this.#head === BEAT && this.#headSentAt > at) this.#unplan();
    this.#plan();
  }

  /** The server, or its kernel, ends a connection; the machine learns of it at `at`. */
  closedByServer(connection: SimConnection, at: number, saidBye: boolean): void {
    this.#queue.at(at, () => this.#onServerClose(connection, saidBye));
  }

  #onServerClose(connection: SimConnection, saidBye: boolean): void {
    if (connection !== this.#connection) return;
    const { time } = this.#queue;
    if (this.#stillUntil > time) return this.closedByServer(connection, this.#stillUntil, saidBye);
    const { intervalMs, random } = this.#options;
    this.#endSession();
    this.#detach({ cut: false });
    this.#wait(saidBye ? shutdownDelay(intervalMs, random.random) : this.#reconnect.next());
  }

  #switchOff(): void {
    this.#phase = "off";
    this.#queue.clear(this.#timer);
  }

  #onTimer(): void {
    const { time } = this.#queue;
    if (this.#stillUntil > time) return this.#queue.set(this.#timer, this.#stillUntil);
    switch (this.#phase) {
      case "waiting":
        return this.#dial();
      case "dialling":
        return this.#greet();
      case "greeting":
        this.#close();
        return this.#wait(this.#reconnect.next());
      case "connected":
        return this.#onSilence();
      case "off":
    }
  }

  #dial(): void {
    const { time } = this.#queue;
    const deadlineMs = CONNECT_DEADLINE_MS;
    const done = handshake(this.#options, { at: time, deadlineMs });
    if (done === Infinity) return this.#wait(deadlineMs + this.#reconnect.next());
    this.#phase = "dialling";
    this.#queue.set(this.#timer, done);
  }

  #greet(): void {
    const { server, up, down } = this.#options;
    if (!server.isRunning) return this.#wait(this.#reconnect.next()); // The port is closed: a RST came.
    const { time } = this.#queue;
    const connection = {
      machine: this,
      run: server.run,
      up: new SimStream(up),
      down: new SimStream(down),
    };
    this.#connection = connection;
    this.#phase = "greeting";
    this.#tripsLeft = GREETING_TRIPS;
    this.#sendGreeting(connection, time);
    this.#queue.set(this.#timer, time + GREETING_DEADLINE_MS);
  }

  #sendGreeting(connection: SimConnection, at: number): void {
    this.#head = HELLO;
    this.#headSentAt = Math.max(at, this.#stillUntil);
    this.#queue.set(this.#arrival, connection.up.send(this.#headSentAt));
  }

  /** The server has the next bytes of the greeting: it answers, and the last of them let the machine in. */
  #greeted(connection: SimConnection): void {
    if (this.#tripsLeft === 0) return this.#welcome(connection);
    this.#tripsLeft--;
    this.#sendGreeting(connection, connection.down.send(this.#queue.time));
  }

  #welcome(connection: SimConnection): void {
    const { server } = this.#options;
    const ping = server.clock.now();
    server.accept(connection);
    const at = connection.down.send(this.#queue.time);
    if (at > this.#queue.dueOf(this.#timer)) return; // It gives up before it hears of this.
    this.#phase = "connected";
    this.#connectedAt = at;
    this.#nextBeat = at;
    this.#isFirstBeat = true;
    this.#queue.set(this.#timer, at + this.#silenceMs);
    this.pinged(connection, at, ping);
  }

  get #silenceMs(): number {
    return this.#options.intervalMs * SERVER_SILENT_INTERVALS;
  }

  #onSilence(): void {
    this.#endSession();
    this.#close();
    this.#wait(this.#reconnect.next());
  }

  /** Runs again after a pause: asks for a sign of life, and gives the server one interval for it. */
  #probe(): void {
    if (this.#phase !== "connected") return;
    const { time } = this.#queue;
    const { intervalMs } = this.#options;
    this.#unplan();
    this.#nextBeat = time;
    this.#queue.set(this.#timer, time + intervalMs);
    this.#plan();
  }

  #endSession(): void {
    const lastedMs = this.#queue.time - this.#connectedAt;
    if (this.#phase !== "connected") return;
    this.#reconnect.sessionEnded({ lastedMs, intervalMs: this.#options.intervalMs });
  }

  #wait(ms: number): void {
    this.#phase = "waiting";
    this.#queue.set(this.#timer, this.#queue.time + ms);
  }

  /** Closes the connection: a FIN follows whatever is on its way. */
  #close(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const { server } = this.#options;
    this.#detach({ cut: false });
    this.#queue.at(connection.up.send(this.#queue.time), () => server.closed(connection));
  }

  /** Leaves the connection; what has been sent on it still arrives, unless the machine is `cut` off before. */
  #detach({ cut }: { cut: boolean }): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#unplan();
    const { server } = this.#options;
    const head = this.#head;
    const ping = this.#headPing;
    const tripsLeft = this.#tripsLeft;
    const isSent = head !== NOTHING && this.#headSentAt <= this.#queue.time;
    if (isSent && !(cut && connection.up.leftAt > this.#queue.time)) {
      this.#queue.at(this.#queue.dueOf(this.#arrival), () => {
        if (head === BEAT) server.beat(connection);
        else if (head === PONG) server.pong(connection, ping);
        else if (tripsLeft === 0) server.accept(connection);
      });
    }
    this.#queue.clear(this.#arrival);
    this.#head = NOTHING;
    this.#nextBeat = this.#nextPong = Infinity;
    this.#morePongs.length = 0;
    this.#connection = undefined;
  }

  /** Takes back what is planned and not sent yet. */
  #unplan(): void {
    const isPlanned = this.#head === BEAT || this.#head === PONG;
    if (!isPlanned || this.#headSentAt <= this.#queue.time) return;
    this.#connection?.up.undo();
    this.#queue.clear(this.#arrival);
    if (this.#head === BEAT) {
      this.#nextBeat = this.#headSentAt;
      this.beats--;
    } else {
      if (this.#nextPong !== Infinity) {
        this.#morePongs.unshift({ at: this.#nextPong, ping: this.#nextPing });
      }
      this.#nextPong = this.#headSentAt;
      this.#nextPing = this.#headPing;
    }
    this.#head = NOTHING;
  }

  /** Plans the next thing to send, when nothing is on its way. */
  #plan(): void {
    const connection = this.#connection;
    if (this.#head !== NOTHING || connection === undefined) return;
    let at = this.#nextBeat;
    if (this.#nextPong <= at) {
      at = this.#nextPong;
      this.#head = PONG;
      this.#headPing = this.#nextPing;
      const more = this.#morePongs.length === 0 ? undefined : this.#morePongs.shift();
      this.#nextPong = more?.at ?? Infinity;
      this.#nextPing = more?.ping ?? 0;
    } else if (at < Infinity) this.#head = BEAT;
    else return;
    at = Math.max(at, this.#stillUntil);
    if (this.#head === BEAT) {
      const { intervalMs, random } = this.#options;
      this.beats++;
      this.#nextBeat = at + (this.#isFirstBeat ? random.next() * intervalMs : intervalMs);
      this.#isFirstBeat = false;
    }
    this.#headSentAt = at;
    this.#queue.set(this.#arrival, connection.up.send(at));
  }

  #arrive(): void {
    const { server } = this.#options;
    const connection = this.#connection;
    const still = server.clock.stillUntil;
    if (still > this.#queue.time) return this.#queue.set(this.#arrival, still);
    if (connection === undefined) return;
    const head = this.#head;
    this.#head = NOTHING;
    if (connection.run !== server.run) {
      return this.closedByServer(connection, connection.down.send(this.#queue.time), false);
    }
    if (head === BEAT) server.beat(connection);
    else if (head === PONG) server.pong(connection, this.#headPing);
    else return this.#greeted(connection);
    this.#plan();
  }
}
