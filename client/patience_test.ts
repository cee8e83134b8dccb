import { assert, assertEquals } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import { busyPause, GIVE_UP_MS, LONGEST_PAUSE_MS, Patience } from "./patience.ts";

Deno.test("Patience waits 1 s at first, ever longer up to 30 s, and ends after 5 minutes", async () => {
  const clock = new FakeClock();
  const patience = new Patience({ clock, random: () => 0.999 });
  const pauses: number[] = [];
  for (let pause = patience.next(); pause !== undefined; pause = patience.next()) {
    assertEquals(pause.isFirst, pauses.length === 0);
    pauses.push(pause.ms);
    await clock.advance(pause.ms);
  }
  assert(
    pauses.every((ms, at) => ms >= 1_000 && ms <= LONGEST_PAUSE_MS && ms >= (pauses[at - 1] ?? 0)),
  );
  assert(clock.now() <= GIVE_UP_MS && clock.now() > GIVE_UP_MS - LONGEST_PAUSE_MS);
});

Deno.test("Patience begins anew whenever something has moved", async () => {
  const clock = new FakeClock();
  const patience = new Patience({ clock, random: () => 0 });
  for (let round = 0; round < 10; round++) {
    assertEquals(patience.next(), { ms: 1_000, isFirst: true });
    assertEquals(patience.next(), { ms: 1_000, isFirst: false });
    await clock.advance(GIVE_UP_MS - 1_000);
    assertEquals(patience.next()?.ms, 1_000);
    patience.progressed();
  }
});

Deno.test("busyPause() is 1 to 5 s", () => {
  assertEquals([busyPause(() => 0), busyPause(() => 0.5)], [1_000, 3_000]);
  assert(busyPause(() => 0.9999) < 5_000);
});
