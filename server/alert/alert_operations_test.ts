import { assert, assertEquals, assertRejects } from "@std/assert";
import { fakeOperations } from "../fake_operator.ts";
import type { FakePeer } from "../fake_peer.ts";
import { FakeServer } from "../fake_server.ts";
import { OperationError } from "../operation_error.ts";

const P = 20_000;
const HOUR = 3_600_000;
const KIM = { by: "kim" };

/** A server with clients that are connected, and its operator. */
async function begin(names: string[], tags: string[] = []) {
  const server = await FakeServer.start();
  const operations = fakeOperations(server);
  const peers = new Map<string, FakePeer>();
  for (const name of names) {
    const identity = await server.enrol(name, tags);
    peers.set(name, await server.connect(identity, { address: `10.0.${peers.size}.7` }));
  }
  const beat = async (name: string) => {
    peers.get(name)?.send({ verb: "HEARTBEAT", seq: 0, at: 1 });
    await peers.get(name)?.expect("BEAT");
  };
  const told = () => server.notices.splice(0).map(({ kind, title }) => `${kind} ${title}`);
  const dispose = () => server[Symbol.asyncDispose]();
  return {
    server,
    alerting: operations.alerting,
    operations,
    peers,
    beat,
    told,
    [Symbol.asyncDispose]: dispose,
  };
}

async function refused(work: Promise<unknown>, code: OperationError["code"]): Promise<string> {
  const error = await assertRejects(() => work, OperationError);
  assertEquals(error.code, code);
  return error.message;
}

Deno.test("acknowledge() notes who takes care of an alert, by name, tag, all or number", async () => {
  for (const who of ["till-1", "@shop", "all", "#1"]) {
    await using place = await begin(["till-1"], ["shop"]);
    const { server, alerting, operations } = place;
    await server.clock.advance(3 * P);
    const answer = await alerting.acknowledge(who, { ...KIM, note: "on my way" });
    assertEquals(answer, { ids: [1], clients: ["till-1"] });
    const [alert] = await operations.alerts(true);
    assertEquals([alert?.acked_by, alert?.note, alert?.acked_until], ["kim", "on my way", null]);
    assertEquals(alert?.acked_at, new Date(server.clock.wall()).toISOString());
    assertEquals(operations.clients()[0]?.overlay, ["ACKED"]);
    const audits = server.tables.events({ kinds: ["audit"] }).map(({ data }) => data);
    assert(audits.some((data) => (data as { action: string }).action === "acknowledged"));
  }
});

Deno.test("acknowledge() refuses what is not open, and nonsense", async () => {
  await using place = await begin(["till-1"]);
  const { alerting } = place;
  const message = await refused(alerting.acknowledge("till-1", KIM), "not_found");
  assert(message.includes("no alert is open"), message);
  await refused(alerting.acknowledge("#7", KIM), "not_found");
  await refused(alerting.acknowledge("nobody", KIM), "not_found");
  await place.server.clock.advance(3 * P);
  await refused(alerting.acknowledge("till-1", { ...KIM, forMs: -1 }), "bad_request");
  await refused(alerting.acknowledge("till-1", { ...KIM, note: "x".repeat(501) }), "bad_request");
  await refused(alerting.acknowledge("till-1", { by: "" }), "bad_request");
});

Deno.test("an acknowledgement that runs out is told of, by the alarm's own timer", async () => {
  await using place = await begin(["till-1"]);
  const { server, alerting, operations, told } = place;
  await server.clock.advance(3 * P);
  await alerting.acknowledge("till-1", { ...KIM, forMs: 2 * HOUR });
  assertEquals(told(), ["alert till-1 is DOWN"]);
  await server.clock.advance(2 * HOUR - 1);
  assertEquals(told(), []);
  await server.clock.advance(1);
  await server.until(() => server.notices.length > 0);
  assertEquals(told(), ["update Still open after its acknowledgement: till-1"]);
  assertEquals((await operations.alerts(true))[0]?.acked_by, null);
});

Deno.test("maintenance() mutes a machine until its end, is shown, and is forgotten on disk", async () => {
  await using place = await begin(["till-1"]);
  const { server, alerting, operations, told } = place;
  const [set] = await alerting.maintenance("till-1", { ...KIM, forMs: HOUR, note: "new disk" });
  assertEquals([set?.kind, set?.who, set?.active, set?.by, set?.note], [
    ...["maintenance", "till-1", true, "kim", "new disk"],
  ]);
  assertEquals(operations.clients()[0]?.overlay, ["MAINTENANCE"]);
  await server.clock.advance(HOUR - 1);
  assertEquals([told(), await operations.alerts(false)], [[], []]);
  assertEquals(operations.clients()[0]?.state, "DOWN");
  await server.clock.advance(1);
  await server.until(() => server.notices.length > 0);
  assertEquals(told(), ["alert till-1 is DOWN"]);
  await server.until(() => server.tables.overlays().length === 0);
  assertEquals(operations.clients()[0]?.overlay, []);
});

Deno.test("maintenance() wants exactly one span, and a window that there is", async () => {
  await using place = await begin(["till-1"]);
  const { alerting } = place;
  await refused(alerting.maintenance("till-1", KIM), "bad_request");
  const both = { ...KIM, forMs: HOUR, untilBack: true };
  await refused(alerting.maintenance("till-1", both), "bad_request");
  await refused(alerting.maintenance("till-1", { ...KIM, every: "Fun 1-2" }), "bad_request");
  const zone = { ...KIM, every: "Sun 02:00-04:00", zone: "Europe/Atlantis" };
  await refused(alerting.maintenance("till-1", zone), "bad_request");
  await refused(alerting.plan("till-1", KIM), "bad_request");
});

Deno.test("maintenance() until back is set for each machine of a tag by itself", async () => {
  await using place = await begin(["till-1", "till-2"], ["shop"]);
  const { alerting, server } = place;
  const set = await alerting.maintenance("@shop", { ...KIM, untilBack: true });
  assertEquals(set.map(({ who, until_back }) => [who, until_back]), [
    ["till-1", true],
    ["till-2", true],
  ]);
  assertEquals(server.tables.overlays().length, 2);
});

Deno.test("a weekly window is set for a tag as it is, also for machines that get it later", async () => {
  await using place = await begin(["till-1"], ["shop"]);
  const { alerting, server } = place;
  const window = { every: "Sun 02:00-04:00", zone: "Europe/Berlin" };
  const [set] = await alerting.maintenance("@shop", { ...KIM, ...window });
  assertEquals([set?.who, set?.every, set?.zone, set?.active], [
    "@shop",
    window.every,
    window.zone,
    false,
  ]);
  assertEquals(server.tables.overlays()[0]?.target, { tag: "shop" });
});

Deno.test("plan() expects a machine back, and calls it overdue when it is not", async () => {
  await using place = await begin(["till-1"]);
  const { server, alerting, operations, told, peers } = place;
  await alerting.plan("till-1", { ...KIM, forMs: HOUR });
  assertEquals(operations.clients()[0]?.overlay, ["PLANNED"]);
  await peers.get("till-1")?.close();
  await server.clock.advance(HOUR);
  await server.until(() => server.notices.length > 0);
  assertEquals(told(), ["alert till-1 is DOWN"]);
  assertEquals((await operations.alerts(true))[0]?.cause, "planned overdue");
});

Deno.test("snooze() lasts an hour unless it is said, and remove() ends it early and tells", async () => {
  await using place = await begin(["till-1"]);
  const { server, alerting, operations, told } = place;
  const [set] = await alerting.snooze("till-1", KIM);
  assertEquals(set?.until, new Date(server.clock.wall() + HOUR).toISOString());
  await server.clock.advance(3 * P);
  assertEquals(told(), []);
  assertEquals((await operations.alerts(true))[0]?.told_at, null);
  assertEquals(operations.clients()[0]?.overlay, ["SNOOZED"]);
  await alerting.remove(set?.id ?? 0, KIM);
  await server.until(() => server.notices.length > 0);
  assertEquals(told(), ["alert till-1 is DOWN"]);
  assertEquals([alerting.plans(), server.tables.overlays()], [[], []]);
  await refused(alerting.remove(99, KIM), "not_found");
});
