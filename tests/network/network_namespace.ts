/**
 * A network of its own behind one cable, for machines that lose it: a Linux namespace and a pair of virtual
 * interfaces. Needs root and `ip` of iproute2.
 *
 * @module
 */

/** Networks that one process may make; each takes a /24 of 10.213.0.0/16. */
const MAX_NETWORKS = 256;

let made = 0;

/** A network with one cable to this machine; disposing of it removes both. */
export class NetworkNamespace implements AsyncDisposable {
  /** This machine's address on the cable. */
  readonly here: string;
  /** The address at the other end. */
  readonly there: string;
  readonly #name: string;
  readonly #cable: string;

  private constructor(name: string, { cable, subnet }: { cable: string; subnet: string }) {
    this.#name = name;
    this.#cable = cable;
    this.here = `${subnet}.1`;
    this.there = `${subnet}.2`;
  }

  /** Makes one, its cable plugged in. */
  static async create(): Promise<NetworkNamespace> {
    const number = (Deno.pid * 7 + made++) % MAX_NETWORKS;
    const subnet = `10.213.${number}`;
    const name = `hb${Deno.pid}n${made}`;
    const network = new NetworkNamespace(name, { cable: `${name}a`.slice(-15), subnet });
    const there = `${name}b`.slice(-15);
    await ip("netns", "add", name);
    await ip("link", "add", network.#cable, "type", "veth", "peer", "name", there, "netns", name);
    await ip("addr", "add", `${network.here}/24`, "dev", network.#cable);
    await ip("link", "set", network.#cable, "up");
    await ip("-n", name, "addr", "add", `${network.there}/24`, "dev", there);
    await ip("-n", name, "link", "set", there, "up");
    await ip("-n", name, "link", "set", "lo", "up");
    return network;
  }

  /** A command line that runs inside. */
  inside(command: string[]): string[] {
    return ["ip", "netns", "exec", this.#name, ...command];
  }

  /** Pulls the cable: nothing arrives any more, in either direction, and nobody is told. */
  async unplug(): Promise<void> {
    await ip("link", "set", this.#cable, "down");
  }

  /** Plugs it in again. */
  async plug(): Promise<void> {
    await ip("link", "set", this.#cable, "up");
  }

  /** Removes the cable and the network; whatever runs inside must have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await ip("link", "delete", this.#cable);
    await ip("netns", "delete", this.#name);
  }
}

/** Why no network can be made here; undefined when one can. */
export async function whyNoNamespace(): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return "network namespaces are Linux's";
  if (Deno.uid() !== 0) return "this is not root";
  const name = `hb${Deno.pid}try`;
  try {
    await ip("netns", "add", name);
    await ip("netns", "delete", name);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function ip(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args, stdout: "null" }).output();
  if (success) return;
  throw new Error(`Cannot run ip ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
}
