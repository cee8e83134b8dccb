import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FakeClock } from "../platform/fake_clock.ts";
import { UsageError } from "../platform/usage_error.ts";
import { generateKeyPair } from "../protocol/mod.ts";
import { ClientError } from "./client_error.ts";
import type { DialRequest } from "./dial.ts";
import { checkNameOption, type ConnectOptions, openClient } from "./open_client.ts";
import { defaultClientName, writeSettings } from "./settings.ts";

const SERVER = { hostname: "10.0.0.9", port: 5001 };
const ENROLMENT = {
  name: "till-3",
  serverId: "a".repeat(40),
  addresses: ["10.0.0.5:5001", "hb.example:7000"],
  certificate: new Uint8Array([1, 2, 3]),
};

async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Opens a client and resolves with what it dials. */
async function dialledWith(dataDirectory: string, options: ConnectOptions): Promise<DialRequest> {
  const { promise, resolve } = Promise.withResolvers<DialRequest>();
  using client = await openClient(options, {
    clock: new FakeClock(),
    dataDirectory,
    epoch: 1,
    dial: (request) => {
      resolve(request);
      return Promise.reject(new Error("no network here"));
    },
  });
  await assertRejects(() => client.access.connect({ role: "tool" }), Error, "no network here");
  return await promise;
}

Deno.test("openClient() uses what joining has left", async () => {
  await withDirectory(async (directory) => {
    const keys = await generateKeyPair();
    await writeSettings(directory, { keys, enrolment: ENROLMENT });
    const request = await dialledWith(directory, { plaintext: false });
    assertEquals(request.destination, {
      addresses: [{ hostname: "10.0.0.5", port: 5001 }, { hostname: "hb.example", port: 7000 }],
      serverId: ENROLMENT.serverId,
      certificate: ENROLMENT.certificate,
    });
    assertEquals([request.name, request.keys], ["till-3", keys]);
  });
});

Deno.test("openClient() keeps the pin when only the address is another", async () => {
  await withDirectory(async (directory) => {
    await writeSettings(directory, { keys: await generateKeyPair(), enrolment: ENROLMENT });
    const { destination } = await dialledWith(directory, { server: SERVER, plaintext: false });
    assertEquals(destination.addresses, [SERVER]);
    assertEquals(destination.certificate, ENROLMENT.certificate);
  });
});

Deno.test("openClient() uses an open server without joining, with the same key every time", async () => {
  await withDirectory(async (directory) => {
    const first = await dialledWith(directory, { server: SERVER, plaintext: true });
    const second = await dialledWith(directory, { server: SERVER, plaintext: true, name: "lab" });
    const { addresses, serverId, certificate } = first.destination;
    assertEquals([addresses, serverId, certificate], [[SERVER], undefined, undefined]);
    assertEquals([first.name, second.name], [defaultClientName(), "lab"]);
    assertEquals(second.keys, first.keys);
  });
});

Deno.test("openClient() refuses a machine that has not joined, with a hint", async () => {
  await withDirectory(async (directory) => {
    const error = await assertRejects(
      () => dialledWith(directory, { plaintext: false }),
      ClientError,
    );
    assertEquals([error.exitCode, error.code], [1, "not_joined"]);
    assertEquals(error.hint?.includes("hbclient join KEY"), true);
  });
});

Deno.test("openClient() refuses options that do not go together", async () => {
  await withDirectory(async (directory) => {
    for (
      const options of [
        { plaintext: true },
        { server: SERVER, plaintext: false },
        { server: SERVER, plaintext: true, name: "a b" },
      ]
    ) await assertRejects(() => dialledWith(directory, options), UsageError);
  });
});

Deno.test("checkNameOption() takes a client name or none", () => {
  checkNameOption(undefined);
  checkNameOption("till-3");
  for (const name of ["", "all", "a/b", "-x"]) {
    assertThrows(() => checkNameOption(name), UsageError);
  }
});
