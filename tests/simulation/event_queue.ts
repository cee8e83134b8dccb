/**
 * The one true time of a simulated world, and what is going to happen in it: an indexed binary heap of slots.
 *
 * A slot is made once and set to fire again and again, so that a heartbeat costs no allocation. Times lie on a grid
 * of 1/64 ms, on which sums are exact: a timer never fires a rounding error before it is due.
 *
 * @module
 */

/** Steps of the grid in one millisecond. */
const GRID = 64;
const FIRST_SLOTS = 256;
/** Place of a slot that is not in the heap. */
const NOWHERE = -1;

/** The first moment of the grid that is not before `ms`. */
export function onGrid(ms: number): number {
  return Math.ceil(ms * GRID) / GRID;
}

/** Something that can happen, over and over. */
export interface Happening {
  /** It is time. */
  happen(): void;
}

/** Something that happens once. */
class Once implements Happening {
  readonly #queue: EventQueue;
  readonly #run: () => void;
  readonly slot: number;

  constructor(queue: EventQueue, run: () => void) {
    this.#queue = queue;
    this.#run = run;
    this.slot = queue.slot(this);
  }

  happen(): void {
    this.#queue.release(this.slot);
    this.#run();
  }
}

/** What will happen, in order of time, then of the order in which it was set. */
export class EventQueue {
  /** The time of the world, in milliseconds since its beginning. */
  time = 0;
  /** Events that have fired. */
  fired = 0;
  #order = 0;
  #size = 0;
  // The heap, by place:
  #dueAt = new Float64Array(FIRST_SLOTS);
  #orderOf = new Float64Array(FIRST_SLOTS);
  #slotAt = new Int32Array(FIRST_SLOTS);
  // By slot:
  #placeOf = new Int32Array(FIRST_SLOTS).fill(NOWHERE);
  #happenings: (Happening | undefined)[] = [];
  #free: number[] = [];

  /** Makes a slot for something that happens whenever the slot fires. */
  slot(happening: Happening): number {
    const slot = this.#free.pop() ?? this.#happenings.length;
    this.#happenings[slot] = happening;
    if (slot >= this.#placeOf.length) this.#grow();
    return slot;
  }

  /** Lets a slot fire at `due`, or at once when that is over; it fires once, at the moment set last. */
  set(slot: number, due: number): void {
    const at = Math.max(this.time, onGrid(due));
    const order = this.#order++;
    const place = this.#placeOf[slot] ?? NOWHERE;
    if (place === NOWHERE) this.#rise(this.#size++, { slot, at, order });
    else if (at < (this.#dueAt[place] ?? 0)) this.#rise(place, { slot, at, order });
    else this.#sink(place, { slot, at, order });
  }

  /** When a slot will fire, or fires now; Infinity when it will not. */
  dueOf(slot: number): number {
    const place = this.#placeOf[slot] ?? NOWHERE;
    return place === NOWHERE ? Infinity : this.#dueAt[place] ?? Infinity;
  }

  /** Lets a slot not fire. */
  clear(slot: number): void {
    const place = this.#placeOf[slot] ?? NOWHERE;
    if (place !== NOWHERE) this.#remove(place);
  }

  /** Gives a slot back, cleared; its number may be another's afterwards. */
  release(slot: number): void {
    this.clear(slot);
    this.#happenings[slot] = undefined;
    this.#free.push(slot);
  }

  /** Runs `run` once at `due`, or at once when that is over. */
  at(due: number, run: () => void): void {
    if (due !== Infinity) this.set(new Once(this, run).slot, due);
  }

  /** Lets everything happen up to and including `end`. */
  run(end: number): void {
    while (this.#size > 0 && (this.#dueAt[0] ?? Infinity) <= end) {
      this.time = this.#dueAt[0] ?? 0;
      const slot = this.#slotAt[0] ?? 0;
      const order = this.#orderOf[0];
      this.fired++;
      // It stays on top meanwhile, since most of what happens is set again at once: that is one way down, not two.
      this.#happenings[slot]?.happen();
      if (this.#size > 0 && this.#orderOf[0] === order) this.#remove(0);
    }
    this.time = Math.max(this.time, end);
  }

  #remove(place: number): void {
    this.#placeOf[this.#slotAt[place] ?? 0] = NOWHERE;
    const last = --this.#size;
    if (place === last) return;
    const at = this.#dueAt[last] ?? 0;
    const order = this.#orderOf[last] ?? 0;
    const slot = this.#slotAt[last] ?? 0;
    const up = (place - 1) >> 1;
    if (place > 0 && this.#isBefore(at, order, up)) this.#rise(place, { slot, at, order });
    else this.#sink(place, { slot, at, order });
  }

  #isBefore(at: number, order: number, place: number): boolean {
    const other = this.#dueAt[place] ?? 0;
    return at < other || (at === other && order < (this.#orderOf[place] ?? 0));
  }

  #rise(from: number, { slot, at, order }: { slot: number; at: number; order: number }): void {
    let place = from;
    while (place > 0) {
      const up = (place - 1) >> 1;
      if (!this.#isBefore(at, order, up)) break;
      this.#move(up, place);
      place = up;
    }
    this.#put(place, slot, at, order);
  }

  #sink(from: number, { slot, at, order }: { slot: number; at: number; order: number }): void {
    let place = from;
    const size = this.#size;
    while (true) {
      let down = 2 * place + 1;
      if (down >= size) break;
      const right = down + 1;
      if (
        right < size && this.#isBefore(this.#dueAt[right] ?? 0, this.#orderOf[right] ?? 0, down)
      ) down = right;
      if (this.#isBefore(at, order, down)) break;
      this.#move(down, place);
      place = down;
    }
    this.#put(place, slot, at, order);
  }

  #move(from: number, to: number): void {
    const slot = this.#slotAt[from] ?? 0;
    this.#put(to, slot, this.#dueAt[from] ?? 0, this.#orderOf[from] ?? 0);
  }

  #put(place: number, slot: number, at: number, order: number): void {
    this.#dueAt[place] = at;
    this.#orderOf[place] = order;
    this.#slotAt[place] = slot;
    this.#placeOf[slot] = place;
  }

  #grow(): void {
    const size = this.#placeOf.length * 2;
    const longer = <T extends Float64Array | Int32Array>(old: T, fresh: T): T => {
      fresh.set(old);
      return fresh;
    };
    this.#dueAt = longer(this.#dueAt, new Float64Array(size));
    this.#orderOf = longer(this.#orderOf, new Float64Array(size));
    this.#slotAt = longer(this.#slotAt, new Int32Array(size));
    this.#placeOf = longer(this.#placeOf, new Int32Array(size).fill(NOWHERE));
  }
}
