/**
 * `hbserver push`: send files to a client, to a tag or to all.
 *
 * @module
 */

import { resolve } from "node:path";
import { sleep } from "../../platform/clock.ts";
import { type ApiClient, findServer } from "../api_client.ts";
import { CommandError, EXIT } from "../exit_code.ts";
import type { PushView } from "../json_view.ts";
import type { InvocationOf } from "../options.ts";
import { lookAtSource, openSource, SourceError } from "../outgoing.ts";
import type { PushAnswer } from "../push_files.ts";
import type { CommandContext } from "./context.ts";

/** How often `--wait` asks how far the files have come, in milliseconds. */
const ASK_MS = 200;
/** Pushes that one question asks about: more ids would not fit a request. */
const ASK_IDS = 1_000;

/** Queues the files; with `--wait` resolves when every client has stored or refused them. */
export async function pushCommand(
  { options, arguments: { who, file: files } }: InvocationOf<"push">,
  context: CommandContext,
): Promise<void> {
  const { terminal, dataDirectory } = context;
  const server = await findServer(dataDirectory);
  const paths = files.map((file) => resolve(file));
  for (const path of paths) await check(path);
  const answer = await server.post<PushAnswer>("/api/pushes", { who, files: paths });
  for (const { client, reason } of answer.refused) {
    terminal.talk(`Not for ${client}: ${reason}.`);
  }
  if (!options.wait) {
    if (options.json) terminal.json(answer);
    else terminal.talk(queued(files.length, who));
    return failIfSome(answer.refused.length > 0 ? 1 : 0, answer.ids.length);
  }
  const pushes = await allSettled(server, { ids: answer.ids, context, quiet: options.json });
  if (options.json) terminal.json({ ...answer, pushes });
  const stored = pushes.filter(({ state }) => state === "stored").length;
  failIfSome(answer.refused.length + pushes.length - stored, stored);
}

/** Makes sure that a file can be read before the server is asked to; names what is wrong with it. */
async function check(path: string): Promise<void> {
  try {
    await lookAtSource(path);
    (await openSource(path)).close();
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    const code = error.code === "unreadable" ? EXIT.source : EXIT.usage;
    throw new CommandError(code, error.message, { cause: error });
  }
}

/** Says how each push ends as it does; the ends, in the order of `ids`. */
async function allSettled(
  server: ApiClient,
  { ids, context, quiet }: { ids: string[]; context: CommandContext; quiet: boolean },
): Promise<PushView[]> {
  const ends = new Map<string, PushView>();
  const told = new Map<string, string>();
  while (true) {
    const waiting = ids.filter((id) => !ends.has(id));
    if (waiting.length === 0) return ids.flatMap((id) => ends.get(id) ?? []);
    for await (const push of states(server, waiting)) {
      if (push.state === "stored" || push.state === "refused") ends.set(push.id, push);
      const news = describe(push);
      if (news === undefined || told.get(push.id) === news) continue;
      told.set(push.id, news);
      if (!quiet) context.terminal.talk(news);
    }
    if (ends.size < ids.length) await sleep(context.clock, ASK_MS, context.stopping);
  }
}

async function* states(server: ApiClient, ids: string[]): AsyncGenerator<PushView> {
  for (let at = 0; at < ids.length; at += ASK_IDS) {
    const body = { ids: ids.slice(at, at + ASK_IDS) };
    yield* await server.post<PushView[]>("/api/pushes/states", body);
  }
}

/** What there is to say of a push; nothing while it just waits. */
function describe({ client, name, state, as, reason }: PushView): string | undefined {
  if (state === "stored") return `${client} has stored ${name} as ${as}.`;
  if (state === "refused") return `${client} has refused ${name}: ${reason}.`;
  return reason === null ? undefined : `${client} cannot take ${name} yet: ${reason}.`;
}

function failIfSome(failed: number, done: number): void {
  if (failed === 0) return;
  const code = done === 0 ? EXIT.refused : EXIT.someFailed;
  throw new CommandError(code, `Cannot push everything: ${failed} of ${failed + done} refused`);
}

function queued(files: number, who: string): string {
  return `Queued ${files === 1 ? "1 file" : `${files} files`} for ${who}.`;
}
