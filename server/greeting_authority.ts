/**
 * What the greeting asks of the server: keys, invites, enrolment, all out of the store.
 *
 * @module
 */

import {
  type EnrolledClient,
  type GreetingAuthority,
  keyIdOf,
  NONCE_BYTES,
} from "../protocol/mod.ts";
import type { ServerParts } from "./parts.ts";
import type { ClientRecord } from "./store_record.ts";

/** Makes the authority of one server. */
export function greetingAuthority(
  parts: ServerParts,
  policy: { serverId: string; open: boolean },
): GreetingAuthority {
  const { store, clock, randomBytes } = parts;
  return {
    serverId: policy.serverId,
    open: policy.open,
    nonce: () => randomBytes(NONCE_BYTES),
    findClient: async (keyId) => toEnrolled(await store.client(keyId)),
    findInviteSecret: (invite) => store.inviteSecret(invite),
    enrol: async (request) => {
      const id = keyIdOf(request.publicKey);
      const enrolled = await store.enrol({ ...request, id, now: clock.wall() });
      return typeof enrolled === "string" ? enrolled : toEnrolled(enrolled) ?? "expired";
    },
  };
}

function toEnrolled(record: ClientRecord | undefined): EnrolledClient | undefined {
  if (record?.publicKey === undefined) return undefined;
  const { id, name, publicKey, revoked } = record;
  return { keyId: id, name, publicKey, revoked };
}
