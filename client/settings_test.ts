import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import { generateKeyPair, isClientName } from "../protocol/mod.ts";
import { ClientError } from "./client_error.ts";
import {
  defaultClientName,
  readOrCreateSettings,
  readSettings,
  writeSettings,
} from "./settings.ts";

async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const enrolment = {
  name: "till-3",
  serverId: "a".repeat(40),
  addresses: ["10.0.0.5:5001", "hb.example"],
  certificate: new Uint8Array([1, 2, 3]),
};

Deno.test("readSettings() reads what writeSettings() wrote, with and without TLS", async () => {
  await withDirectory(async (directory) => {
    const keys = await generateKeyPair();
    for (const certificate of [enrolment.certificate, undefined]) {
      const settings = { keys, enrolment: { ...enrolment, certificate } };
      await writeSettings(directory, settings);
      assertEquals(await readSettings(directory), settings);
    }
    if (Deno.build.os !== "windows") {
      const { mode } = await Deno.stat(join(directory, "client.json"));
      assertEquals((mode ?? 0) & 0o777, 0o600);
    }
  });
});

Deno.test("readSettings() is undefined where nothing was written", async () => {
  await withDirectory(async (directory) => {
    assertEquals(await readSettings(directory), undefined);
  });
});

Deno.test("readOrCreateSettings() makes a key pair once and keeps it", async () => {
  await withDirectory(async (directory) => {
    const first = await readOrCreateSettings(directory);
    assertEquals(first.enrolment, undefined);
    assertEquals(await readOrCreateSettings(directory), first);
  });
});

Deno.test("readSettings() refuses a damaged file in words and with a hint", async () => {
  await withDirectory(async (directory) => {
    const keys = await generateKeyPair();
    const path = join(directory, "client.json");
    await writeSettings(directory, { keys, enrolment });
    const good = JSON.parse(await Deno.readTextFile(path));
    const damages: unknown[] = [
      { ...good, publicKey: await readPublicKey() },
      { ...good, privateKey: "AAAA" },
      { ...good, certificate: undefined },
      { ...good, plaintext: true },
      { ...good, name: "../x" },
      { ...good, serverId: "A".repeat(40) },
      { ...good, addresses: [] },
      { ...good, addresses: ["a b"] },
      { ...good, format: 2 },
      { ...good, surplus: 1 },
      [],
      null,
    ];
    for (const text of ["", "{", ...damages.map((value) => JSON.stringify(value))]) {
      await Deno.writeTextFile(path, text);
      const error = await assertRejects(() => readSettings(directory), ClientError);
      assertEquals(error.code, "damaged_settings");
      assert(error.hint !== undefined);
    }
  });
});

async function readPublicKey(): Promise<string> {
  return (await generateKeyPair()).publicKey.toBase64({ alphabet: "base64url", omitPadding: true });
}

Deno.test("defaultClientName() makes a valid name of any host name", () => {
  assertEquals(defaultClientName("Till-3.shop.example"), "Till-3");
  assertEquals(defaultClientName("kasse süd"), "kasse-s-d");
  assertEquals(defaultClientName("all"), "client-all");
  assertEquals(defaultClientName(""), "client");
  fc.assert(fc.property(fc.string(), (host) => {
    assert(isClientName(defaultClientName(host)), defaultClientName(host));
  }));
});
