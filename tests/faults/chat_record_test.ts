import { assertEquals } from "@std/assert";
import { ChatRecord, textOf } from "./chat_record.ts";

const AT = "2026-11-22T10:00:00.000Z";

function clientSays(...said: Record<string, unknown>[]): ChatRecord {
  const record = new ChatRecord("till-3");
  for (const fields of said) record.onClientLine(JSON.stringify({ at: AT, ...fields }));
  return record;
}

Deno.test("ChatRecord keeps the strongest promise to the client by its text", () => {
  const queued = { kind: "message", from: "till-3", to: "server", state: "queued" };
  const { client, complaints } = clientSays(
    { ...queued, id: "1", text: textOf("client", 1) },
    { ...queued, id: "2", text: textOf("client", 2) },
    { kind: "receipt", id: "1", state: "stored" },
    { kind: "receipt", id: "9", state: "stored" },
    { kind: "receipt", id: "2", state: "shown" },
  );
  assertEquals([...client.acknowledged], [["client 1.", "stored"], ["client 2.", "queued"]]);
  assertEquals(complaints, []);
});

Deno.test("ChatRecord keeps what each side showed, without a line that was cut off", () => {
  const record = clientSays({ kind: "message", from: "server", id: "1", text: "server 1." });
  for (const line of ["till-3: client 1.", "till-3: client 1", "till-4: client 2.", "hello"]) {
    record.onServerLine(line);
  }
  assertEquals([record.server.shown, record.client.shown], [["server 1."], ["client 1."]]);
  assertEquals(record.complaints, []);
});

Deno.test("ChatRecord keeps files that were stored, not those that come", () => {
  const file = { kind: "file", sha256: "11", state: "stored" };
  const { client } = clientSays(
    { ...file, id: "1", path: "/a.bin", as: "a.bin", bytes: 1 },
    { ...file, id: "2", direction: "in", name: "b.bin", path: "/b.bin" },
  );
  assertEquals(client.files.acknowledged, [{ name: "a.bin", sha256: "11" }]);
});

Deno.test("ChatRecord complains of errors, refusals and warnings, not of alerts or a file that had no server", () => {
  const record = clientSays(
    { kind: "warning", text: "Cannot connect to the server: nobody listens" },
    { kind: "warning", text: "the queue is full" },
    { kind: "receipt", id: "1", state: "refused", reason: "no" },
  );
  record.onServerLine(`${AT} ERROR server: Cannot store`);
  record.onServerLine(`${AT} ERROR server: ALERT till-3 is DOWN`);
  record.onClientLine("hbclient: error: Cannot go on");
  assertEquals(record.complaints, [
    "client: the queue is full",
    "client: a message is refused: no",
    `server: ${AT} ERROR server: Cannot store`,
    "client: hbclient: error: Cannot go on",
  ]);
});

Deno.test("ChatRecord takes a line without an end from a life that is over, and from no other", () => {
  const record = clientSays();
  record.onClientLine('{"at":"2026');
  record.onClientLine('{"kind":"state","state":"connecting"}');
  assertEquals(record.complaints, []);
  record.onClientLine('{"at":"2026');
  record.onClientLine('{"kind":"receipt","id":"1","state":"stored"}');
  assertEquals(record.complaints, ['client: no JSON: {"at":"2026']);
});

Deno.test("ChatRecord knows whether the client's last word was that it is connected", () => {
  const state = (word: string) => ({ kind: "state", state: word });
  assertEquals(clientSays(state("connecting")).connectedSince, undefined);
  assertEquals(typeof clientSays(state("connecting"), state("connected")).connectedSince, "number");
  assertEquals(clientSays(state("connected"), state("waiting")).connectedSince, undefined);
});
