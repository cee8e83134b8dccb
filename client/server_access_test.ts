import { assertEquals } from "@std/assert";
import { formatAddress } from "../platform/address.ts";
import { Connection, generateKeyPair } from "../protocol/mod.ts";
import { fakeDuplexPair } from "../protocol/fake_duplex.ts";
import { createServerAccess } from "./server_access.ts";

const ACK = {
  hb: 1,
  session: "s",
  name: "till-3",
  interval: 20_000,
  late: 25_000,
  down: 50_000,
  time: 1,
  features: [],
  limits: { line: 65_536, message: 16_384, file: null, data: 2 },
};

Deno.test("createServerAccess() tries the address that answered last first, and remembers it", async () => {
  const facts = new Map<string, string>();
  const tried: string[][] = [];
  let answers = "b:2";
  const access = createServerAccess({
    dial: ({ destination }) => {
      tried.push(destination.addresses.map(formatAddress));
      const address = destination.addresses.find((item) => formatAddress(item) === answers);
      if (address === undefined) throw new Error("Nobody answers");
      return Promise.resolve({
        connection: new Connection(fakeDuplexPair()[0]),
        ack: ACK,
        address,
        rttMs: 1,
      });
    },
    destination: {
      addresses: ["a", "b", "c"].map((hostname, index) => ({ hostname, port: index + 1 })),
      serverId: undefined,
      certificate: undefined,
    },
    keys: await generateKeyPair(),
    name: "till-3",
    app: "test",
    epoch: 1,
    memory: {
      remember: (key, value) => void facts.set(key, value),
      recall: (key) => facts.get(key),
    },
  });
  await access.connect({ role: "tool" });
  answers = "c:3";
  await access.connect({ role: "tool" });
  facts.set("address", "gone:9");
  await access.connect({ role: "tool" });
  assertEquals(tried, [["a:1", "b:2", "c:3"], ["b:2", "a:1", "c:3"], ["a:1", "b:2", "c:3"]]);
});
