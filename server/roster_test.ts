import { assertEquals } from "@std/assert";
import { MAX_DATA_CONNECTIONS_PER_CLIENT } from "../protocol/mod.ts";
import { MAX_DATA_CONNECTIONS, Roster } from "./roster.ts";
import type { ClientRecord } from "./store_record.ts";

function record(id: string, name: string, tags: string[] = []): ClientRecord {
  return {
    id,
    name,
    kind: "enrolled",
    publicKey: undefined,
    revoked: false,
    tags,
    app: "",
    address: "",
    state: "UP",
    cause: undefined,
    stateSince: 0,
    lastSeen: undefined,
    plannedUntil: undefined,
  };
}

function begin() {
  const roster = new Roster();
  roster.admit(record("k2", "till-2", ["shop"]));
  roster.admit(record("k1", "Door", ["gate", "shop"]));
  return roster;
}

Deno.test("Roster keeps one member per client, with the newest record", () => {
  const roster = begin();
  const member = roster.get("k2");
  assertEquals(roster.admit(record("k2", "till-9")) === member, true);
  assertEquals(member?.record.name, "till-9");
  assertEquals(roster.members().length, 2);
});

Deno.test("Roster lists members by name", () => {
  assertEquals(begin().members().map(({ record }) => record.name), ["Door", "till-2"]);
});

Deno.test("Roster finds a name whatever its case, a tag exactly, and everyone", () => {
  const roster = begin();
  const found = (who: string) => roster.resolve(who).map(({ record }) => record.name);
  assertEquals(found("TILL-2"), ["till-2"]);
  assertEquals(found("door"), ["Door"]);
  assertEquals(found("@shop"), ["Door", "till-2"]);
  assertEquals([found("@gate"), found("@Gate"), found("@")], [["Door"], [], []]);
  assertEquals(found("all"), ["Door", "till-2"]);
  assertEquals([found("nobody"), found("")], [[], []]);
});

Deno.test("Roster forgets a member for good", () => {
  const roster = begin();
  roster.remove("k1");
  roster.remove("k1");
  assertEquals([roster.get("k1"), roster.byName("Door")], [undefined, undefined]);
});

Deno.test("[HB-33] Roster bounds data connections, per client and together", () => {
  const roster = new Roster();
  const taken = [];
  for (let client = 0; taken.length < MAX_DATA_CONNECTIONS; client++) {
    const member = roster.admit(record(`k${client}`, `c${client}`));
    for (let count = 0; count < MAX_DATA_CONNECTIONS_PER_CLIENT; count++) {
      taken.push(roster.takeDataConnection(member));
    }
    assertEquals(roster.takeDataConnection(member), undefined);
  }
  assertEquals(taken.includes(undefined), false);
  const late = roster.admit(record("late", "late"));
  assertEquals(roster.takeDataConnection(late), undefined);
  taken[0]?.[Symbol.dispose]();
  assertEquals(roster.takeDataConnection(late) !== undefined, true);
  assertEquals(roster.takeDataConnection(late), undefined);
});
