import { assert, assertEquals } from "@std/assert";
import {
  handshake,
  type LinkProfile,
  type Path,
  SimStream,
  type Span,
  Spans,
} from "./sim_network.ts";
import { SimRandom } from "./sim_random.ts";

/** Neither delay nor loss, so that only cuts count. */
const IDEAL: LinkProfile = { name: "ideal", delayMs: 0, jitterMs: 0, loss: 0 };

function path(
  { cuts = [], stills = [], profile = IDEAL }: {
    cuts?: Span[];
    stills?: Span[];
    profile?: LinkProfile;
  } = {},
): Path {
  return {
    profile,
    random: new SimRandom(1),
    cuts: new Spans(cuts),
    stills: new Spans(stills),
  };
}

Deno.test("a segment is sent again after 0.2, 0.6, 1.4, 3, 6.2, 12.6, 25.4 and 51 s, as Linux does", () => {
  const retries = [200, 600, 1_400, 3_000, 6_200, 12_600, 25_400, 51_000];
  const before = [0, ...retries];
  for (const [index, retry] of retries.entries()) {
    const last = before[index] ?? 0;
    // A gap that ends just after one try, or just before the next, is over for TCP at the next.
    for (const to of [last + 1, retry]) {
      const stream = new SimStream(path({ cuts: [{ from: 0, to }] }));
      assertEquals(stream.send(0), retry, `the gap ends at ${to}`);
    }
  }
});

Deno.test("a gap of 25 s delays a heartbeat by 25.4 s at most, whenever it begins", () => {
  const random = new SimRandom(7);
  let longest = 0;
  for (let round = 0; round < 2_000; round++) {
    const from = random.between(0, 100_000);
    const stream = new SimStream(path({ cuts: [{ from, to: from + 25_000 }] }));
    const at = random.between(0, 130_000);
    longest = Math.max(longest, stream.send(at) - at);
  }
  assert(longest > 25_000 && longest <= 25_400.1, `${longest}`);
});

Deno.test("a long round trip makes the first retransmission later, and all others with it", () => {
  const profile = { name: "far", delayMs: 50, jitterMs: 0, loss: 0 };
  const stream = new SimStream(path({ profile, cuts: [{ from: 0, to: 1 }] }));
  assertEquals(stream.send(0), 300 + 50);
  const other = new SimStream(path({ profile, cuts: [{ from: 0, to: 301 }] }));
  assertEquals(other.send(0), 900 + 50);
});

Deno.test("what is sent behind a lost segment arrives with it, and nothing overtakes", () => {
  const stream = new SimStream(path({ cuts: [{ from: 0, to: 10_000 }] }));
  assertEquals(stream.send(0), 12_600);
  assertEquals(stream.send(5_000), 12_600, "sent into the gap");
  assertEquals(stream.send(11_000), 12_600, "sent when it was over");
  assertEquals(stream.send(13_000), 13_000);
});

Deno.test("a planned segment that is taken back leaves no trace", () => {
  const stream = new SimStream(path({ cuts: [{ from: 100, to: 10_000 }] }));
  stream.send(0);
  assertEquals(stream.send(200), 200 + 12_600);
  stream.undo();
  assertEquals(stream.send(50), 50);
});

Deno.test("a machine that stood still sends again as soon as it runs", () => {
  const stills = [{ from: 1_000, to: 60_000 }];
  const stream = new SimStream(path({ cuts: [{ from: 0, to: 600 }], stills }));
  assertEquals(stream.send(500), 500 + 200);
  const other = new SimStream(path({ cuts: [{ from: 0, to: 2_000 }], stills }));
  assertEquals(other.send(500), 60_000);
});

Deno.test("a SYN is repeated after 1, 3 and 7 s, and the deadline ends it", () => {
  const dial = (to: number) => {
    const up = path({ cuts: [{ from: 0, to }] });
    return handshake({ up, down: path() }, { at: 0, deadlineMs: 10_000 });
  };
  assertEquals(dial(0), 0);
  assertEquals(dial(1), 1_000);
  assertEquals(dial(1_001), 3_000);
  assertEquals(dial(3_001), 7_000);
  assertEquals(dial(7_001), Infinity);
});

Deno.test("spans that overlap are one, and may be asked about earlier moments again", () => {
  const spans = new Spans([{ from: 30, to: 40 }, { from: 10, to: 20 }, { from: 15, to: 25 }]);
  assertEquals([9, 10, 24, 25, 29, 39, 40].map((at) => spans.isFree(at)), [
    true,
    false,
    false,
    true,
    true,
    false,
    true,
  ]);
  assertEquals(spans.isFree(12), false);
  assertEquals([spans.endOf(12), spans.endOf(26), spans.endOf(35)], [25, undefined, 40]);
});

Deno.test("losses come as often as a link's profile says", () => {
  const stream = new SimStream(path({ profile: { ...IDEAL, loss: 0.1 } }));
  let late = 0;
  for (let at = 0; at < 1e7; at += 1_000) if (stream.send(at) > at) late++;
  assert(Math.abs(late - 1_000) < 100, `${late} of 10,000`);
});
