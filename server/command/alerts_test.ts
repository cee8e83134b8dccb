import { assertEquals } from "@std/assert";
import type { DeliveryView } from "../json_view.ts";
import { toldText } from "./alerts.ts";

const TAKEN: DeliveryView = {
  ...{ channel: "ops", kind: "alert", state: "delivered", attempts: 1, why: null },
  ...{ next_try_at: null, settled_at: "2026-11-22T10:00:00.000Z" },
};

Deno.test("toldText() says how far the last notice has come on each channel", () => {
  const waiting = { ...TAKEN, channel: "boss", state: "waiting", attempts: 3, why: "it said 500" };
  assertEquals(toldText([]), "");
  assertEquals(toldText([{ ...TAKEN, channel: "console" }]), "", "which is always told");
  assertEquals(
    toldText([TAKEN, waiting]),
    "ops delivered, boss waiting after 3 tries (it said 500)",
  );
  const recovery = { ...TAKEN, kind: "recovery", state: "waiting", attempts: 0 };
  assertEquals(toldText([TAKEN, recovery]), "ops waiting");
  const skipped = { ...TAKEN, state: "skipped", attempts: 0, why: "acknowledged in time" };
  assertEquals(toldText([skipped]), "ops skipped (acknowledged in time)");
  assertEquals(toldText([TAKEN, skipped]), "ops delivered");
});
