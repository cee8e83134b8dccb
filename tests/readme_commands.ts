/**
 * Every command that the README shows, and where it is run.
 *
 * @module
 */

/** Commands that `readme_test.ts` runs, each word for word, in this order, as one story of a new user. */
export const STORY_COMMANDS = [
  "deno task server",
  "deno task -q server invite --name till-3",
  "deno task -q client join KEY",
  "deno task client",
  "hbserver clients",
  'hbserver message till-3 "please restart the printer"',
  "hbserver log till-3 --kind state,alert",
  "hbserver log --follow",
  'hbclient message "printer is on fire"',
  "hbclient inbox --read",
  "hbclient send report.pdf",
  "hbclient send photos",
  "hbserver push till-3 setup.msi --wait",
  "hbclient log",
  "hbclient status",
  "hbserver files till-3",
  "hbserver alerts --open",
  "hbserver backup hb-2026-11-23.sqlite",
  "hbserver revoke till-3",
  "hbserver invite --name till-3",
  "hbclient join KEY --name till-3",
  "hbclient",
  'hbserver maintenance till-3 --every "Sun 02:00-04:00" --zone Europe/Berlin',
  "hbserver plan",
  'hbserver ack till-3 "on my way"',
  "hbserver snooze till-3 --for 2h",
  "hbserver report --month 2026-11",
  "hbserver invite --name vm-1 --address 203.0.113.7:5001 --address 10.0.0.4:5001",
  "hbserver",
  "hbserver --plaintext --open",
] as const;

/** Commands that run the tests or all of the demo: `.ci/run` runs them, and they cannot run inside a test. */
export const CI_COMMANDS = [
  "npx -y deno@2.9.5 task demo",
  "npx -y deno@2.9.5 task test",
  "deno task ok",
] as const;

/** Commands that are another one with `deno` in place of `npx -y deno@2.9.5`. */
export const SHORT_FORMS = [
  "deno task demo",
  "deno task test",
] as const;
