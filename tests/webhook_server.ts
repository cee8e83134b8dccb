/**
 * A web server that a test's alerts are sent to; it answers as the test says.
 *
 * @module
 */

import { createHmac } from "node:crypto";

/** One request, as it came. */
export interface WebhookCall {
  readonly body: Record<string, unknown>;
  readonly text: string;
  readonly signature: string | null;
  readonly key: string | null;
  /** What it was answered with. */
  readonly status: number;
}

/** Answers webhooks on a port of 127.0.0.1; disposing of it ends it. */
export class WebhookServer implements AsyncDisposable {
  readonly calls: WebhookCall[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(server: (webhook: WebhookServer) => Deno.HttpServer<Deno.NetAddr>) {
    this.#server = server(this);
  }

  /** Starts one; `answer` decides about each request, the first being 1. */
  static start(
    { port = 0, answer = () => 200 }: {
      port?: number;
      answer?: (call: number) => number | Promise<number>;
    } = {},
  ): WebhookServer {
    return new WebhookServer((webhook) =>
      Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, async (request) => {
        const text = await request.text();
        const status = await answer(webhook.calls.length + 1);
        webhook.calls.push({
          text,
          body: JSON.parse(text),
          signature: request.headers.get("hb-signature"),
          key: request.headers.get("idempotency-key"),
          status,
        });
        return new Response(null, { status });
      })
    );
  }

  /** Where it listens. */
  get port(): number {
    return this.#server.addr.port;
  }

  /** Its address for `--alert`. */
  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`;
  }

  /** Titles of what it has taken. */
  get taken(): string[] {
    return this.calls.filter(({ status }) => status === 200).map(({ body }) => String(body.title));
  }

  /** Ends at once; requests under way are cut. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** Whether `hb-signature` is that of the body under a secret, as docs/alerts.md says. */
export function isSigned({ text, signature }: WebhookCall, secret: string): boolean {
  const [, t, v1] = signature?.match(/^t=(\d+),v1=([0-9a-f]{64})$/) ?? [];
  return createHmac("sha256", secret).update(`${t}.${text}`).digest("hex") === v1;
}
