/**
 * Whether the server truly works: what must be so before an outside service is told that it does.
 *
 * @module
 */

import type { Clock } from "../platform/clock.ts";
import { formatDuration } from "../platform/quantity.ts";
import type { Courier } from "./alert/courier.ts";
import type { OwnPort } from "./own_port.ts";
import type { Store } from "./store.ts";

/** The database must answer in so long, in milliseconds. */
export const STORE_LIMIT_MS = 5_000;

/** What is looked at. */
export interface HealthOptions {
  clock: Clock;
  store: Pick<Store, "deliveriesOf">;
  courier: Pick<Courier, "trouble">;
  /** Where clients reach the server. */
  address: { hostname: string; port: number };
  ownPort: Pick<OwnPort, "trouble">;
}

/** Why the server does not truly work; undefined when it does. Never rejects. */
export async function healthTrouble(options: HealthOptions): Promise<string | undefined> {
  const { courier, address, ownPort } = options;
  return await storeTrouble(options) ?? await ownPort.trouble(address) ?? courier.trouble;
}

/** A round trip through the worker of the database and its commit. */
async function storeTrouble({ clock, store }: HealthOptions): Promise<string | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<string>();
  using _limit = clock.after(
    STORE_LIMIT_MS,
    () => resolve(`the database gives no answer within ${formatDuration(STORE_LIMIT_MS)}`),
  );
  const asking = store.deliveriesOf([]).then(
    () => undefined,
    (error: unknown) => error instanceof Error ? error.message : String(error),
  );
  return await Promise.race([asking, late]);
}
