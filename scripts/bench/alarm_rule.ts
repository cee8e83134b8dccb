/**
 * How other programs decide that a machine is gone, played over what arrived at a server: the shape of a rule, and
 * the loop that plays one which looks at each machine by itself. Pure.
 *
 * @module
 */

/** What can arrive from a machine. */
export type ArrivalKind = "connect" | "beat" | "pong" | "close" | "bye";

/** A time, in milliseconds of the world's time. */
export interface Standstill {
  readonly from: number;
  readonly to: number;
}

/** One thing that arrived. */
export interface Arrival {
  /** In milliseconds of the world's time. */
  readonly at: number;
  readonly kind: ArrivalKind;
}

/** All that arrived in one world. */
export interface ArrivalTrace {
  /** How long the world lasted, in milliseconds. */
  readonly ms: number;
  /** By machine, each in order of time. */
  readonly machines: readonly (readonly Arrival[])[];
  /** When the server stood still: what is due then happens at the end, after what has arrived by then. */
  readonly stills: readonly Standstill[];
}

/** One time for which a rule calls a machine gone. */
export interface Alarm {
  readonly machine: number;
  readonly from: number;
  /** When it is seen again; the world's end when it is not. */
  readonly to: number;
}

/** One program's way to decide. */
export interface AlarmRule {
  /** The program, for people. */
  readonly name: string;
  /** The rule with its parameters, for people. */
  readonly about: string;
  /** Where the rule was read. */
  readonly source: string;
  /** All alarms over a trace, by machine or by time. */
  readonly alarms: (trace: ArrivalTrace) => Alarm[];
}

/** What a rule remembers of one machine. */
export interface Detector {
  /** When the machine will be called gone if nothing arrives; Infinity for never. */
  due(): number;
  /** Something has arrived: whether it shows that the machine is there. */
  arrive(arrival: Arrival): boolean;
}

/** When something that is due at a moment happens on a server that stood still at times. */
export function whenAwake(due: number, stills: readonly Standstill[]): number {
  return stills.find(({ from, to }) => due >= from && due < to)?.to ?? due;
}

/** Plays a rule that looks at each machine by itself. */
export function alarmsOfEach(trace: ArrivalTrace, detector: () => Detector): Alarm[] {
  return trace.machines.flatMap((arrivals, machine) =>
    alarmsOfOne(arrivals, { machine, trace, detector: detector() })
  );
}

function alarmsOfOne(
  arrivals: readonly Arrival[],
  { machine, trace, detector }: { machine: number; trace: ArrivalTrace; detector: Detector },
): Alarm[] {
  const alarms: Alarm[] = [];
  let goneSince: number | undefined;
  for (const arrival of arrivals) {
    const due = whenAwake(detector.due(), trace.stills);
    if (goneSince === undefined && due < arrival.at) goneSince = due;
    if (!detector.arrive(arrival) || goneSince === undefined) continue;
    alarms.push({ machine, from: goneSince, to: arrival.at });
    goneSince = undefined;
  }
  goneSince ??= whenAwake(detector.due(), trace.stills);
  if (goneSince < trace.ms) alarms.push({ machine, from: goneSince, to: trace.ms });
  return alarms;
}
