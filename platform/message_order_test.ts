import { assertEquals } from "@std/assert";
import { REFUSED_KEEP_MS } from "../protocol/mod.ts";
import { MessageOrder } from "./message_order.ts";

function batch(...ids: string[]) {
  return ids.map((id) => ({ id }));
}

Deno.test("MessageOrder admits everything while nothing was refused", () => {
  const order = new MessageOrder();
  assertEquals(order.admit(batch("a", "b"), 0), { admitted: batch("a", "b"), refused: [] });
  order.refuse([], 0);
  assertEquals(order.admit(batch("c"), 0), { admitted: batch("c"), refused: [] });
});

Deno.test("[HB-56] MessageOrder admits nothing before the refused message comes again, then everything from it on", () => {
  const order = new MessageOrder();
  order.refuse(batch("b", "c"), 0);
  assertEquals(order.admit(batch("c", "d"), 1), { admitted: [], refused: batch("c", "d") });
  assertEquals(order.admit(batch("a", "b", "c"), 2), {
    admitted: batch("b", "c"),
    refused: batch("a"),
  });
  assertEquals(order.admit(batch("x"), 3).admitted, batch("x"));
});

Deno.test("[HB-56] MessageOrder waits 60 s for a message that its sender may have given up", () => {
  const order = new MessageOrder();
  order.refuse(batch("a"), 5);
  assertEquals(order.admit(batch("b"), 5 + REFUSED_KEEP_MS - 1).admitted, []);
  assertEquals(order.admit(batch("b"), 5 + REFUSED_KEEP_MS).admitted, batch("b"));
});
