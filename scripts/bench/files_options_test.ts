import { assertEquals, assertThrows } from "@std/assert";
import { parseFilesOptions } from "./files_options.ts";

const names = ["hb-tls", "scp"];

Deno.test("parseFilesOptions() runs everything unless something is named", () => {
  const options = parseFilesOptions([], names);
  assertEquals(options.cases, ["one", "small", "medium", "heartbeats"]);
  assertEquals(options.media, ["tmpfs", "disk"]);
  assertEquals(options.contestants, names);
  assertEquals([options.rounds, options.quick, options.out], [3, false, "dist/bench"]);
  assertEquals(options.directories, { disk: "/var/tmp" });
});

Deno.test("parseFilesOptions() narrows cases, media and contestants independently by --only", () => {
  const { cases, media, contestants } = parseFilesOptions(
    ["--only", "small,scp", "--only", "one"],
    names,
  );
  assertEquals({ cases, media, contestants }, {
    cases: ["one", "small"],
    media: ["tmpfs", "disk"],
    contestants: ["scp"],
  });
});

Deno.test("parseFilesOptions() refuses names, options and rounds that there are not", () => {
  assertThrows(() => parseFilesOptions(["--only", "ftp"], names), Error, 'it is "ftp"');
  assertThrows(() => parseFilesOptions(["--speed"], names), Error, "--speed");
  assertThrows(() => parseFilesOptions(["more"], names), Error, "more");
  for (const rounds of ["0", "1.5", "100", "many"]) {
    assertThrows(() => parseFilesOptions(["--rounds", rounds], names), Error, `it is "${rounds}"`);
  }
  assertEquals(parseFilesOptions(["--rounds", "99"], names).rounds, 99);
});
