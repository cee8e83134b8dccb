import { assertEquals } from "@std/assert";
import {
  Lobby,
  MAX_CONNECTIONS,
  MAX_GREETING_PER_ADDRESS,
  MAX_GREETING_TOTAL,
  MAX_UNVERIFIED_PER_ADDRESS,
} from "./lobby.ts";

/** Lets guests in and notes who was evicted. */
function begin(lobby: Lobby) {
  const evicted: string[] = [];
  const enter = (name: string, address = "a") => lobby.enter(address, () => evicted.push(name));
  return { evicted, enter };
}

Deno.test("Lobby counts connections from accept to close, and waiting ones to their greeting", () => {
  const lobby = new Lobby();
  const { enter } = begin(lobby);
  const [one, two] = [enter("one"), enter("two")];
  assertEquals([lobby.connections, lobby.waiting], [2, 2]);
  one?.greeted();
  one?.greeted();
  assertEquals([lobby.connections, lobby.waiting], [2, 1]);
  one?.left();
  one?.left();
  assertEquals([lobby.connections, lobby.waiting], [1, 1]);
  two?.left();
  assertEquals([lobby.connections, lobby.waiting], [0, 0]);
});

Deno.test("[HB-29] Lobby evicts the oldest waiting connection of an address at its cap", () => {
  const { evicted, enter } = begin(new Lobby());
  for (let count = 0; count < MAX_GREETING_PER_ADDRESS; count++) enter(`${count}`);
  assertEquals(evicted, []);
  enter("one more");
  enter("another");
  enter("of another address", "b");
  assertEquals(evicted, ["0", "1"]);
});

Deno.test("[HB-29] Lobby evicts the oldest waiting connection of all at the cap of all", () => {
  const { evicted, enter } = begin(new Lobby());
  for (let count = 0; count < MAX_GREETING_TOTAL; count++) enter(`${count}`, `address ${count}`);
  assertEquals(evicted, []);
  enter("one more", "new");
  assertEquals(evicted, ["0"]);
});

Deno.test("Lobby never evicts who is greeted", () => {
  const { evicted, enter } = begin(new Lobby({ perAddress: 2 }));
  enter("greeted")?.greeted();
  for (const name of ["one", "two", "three"]) enter(name);
  assertEquals(evicted, ["one"]);
});

Deno.test("[HB-33] Lobby is full at its cap, and has room again when somebody leaves", () => {
  const lobby = new Lobby({ greeting: 2 * MAX_CONNECTIONS, perAddress: 2 * MAX_CONNECTIONS });
  const { evicted, enter } = begin(lobby);
  const first = enter("first");
  first?.greeted();
  for (let count = 1; count < MAX_CONNECTIONS; count++) {
    lobby.enter(`address ${count}`, () => {})?.greeted();
  }
  assertEquals([lobby.connections, enter("too many")], [MAX_CONNECTIONS, undefined]);
  first?.left();
  assertEquals(enter("fits") !== undefined, true);
  assertEquals(evicted, []);
});

Deno.test("Lobby counts an evicted connection until it is closed", () => {
  const lobby = new Lobby({ perAddress: 1 });
  const { enter } = begin(lobby);
  const evicted = enter("evicted");
  enter("next");
  assertEquals([lobby.connections, lobby.waiting], [2, 1]);
  evicted?.left();
  assertEquals([lobby.connections, lobby.waiting], [1, 1]);
});

Deno.test("[HB-33] Lobby admits a bounded number of unverified sessions per address", () => {
  const lobby = new Lobby();
  const sessions = Array.from({ length: MAX_UNVERIFIED_PER_ADDRESS }, () => {
    return lobby.admitUnverified("a");
  });
  assertEquals(sessions.includes(undefined), false);
  assertEquals(lobby.admitUnverified("a"), undefined);
  assertEquals(lobby.admitUnverified("b") !== undefined, true);
  sessions[0]?.[Symbol.dispose]();
  assertEquals(lobby.admitUnverified("a") !== undefined, true);
  assertEquals(lobby.admitUnverified("a"), undefined);
});
