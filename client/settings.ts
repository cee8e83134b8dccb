/**
 * What a client knows of itself and its server: `client.json` in the data directory, for its owner alone.
 *
 * @module
 */

import { hostname } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { type Address, parseAddress } from "../platform/address.ts";
import { quoted } from "../platform/option_value.ts";
import { readPrivateFile, writePrivateFile } from "../platform/private_file.ts";
import {
  decodeBase64Url,
  DEFAULT_PORT,
  encodeBase64Url,
  generateKeyPair,
  isClientName,
  KEY_ID_HEX_DIGITS,
  type KeyPair,
  MAX_CLIENT_NAME_CHARS,
  PUBLIC_KEY_BYTES,
  sign,
  verify,
} from "../protocol/mod.ts";
import { ClientError } from "./client_error.ts";

/** What joining a server has left. */
export interface Enrolment {
  /** The name that the server knows this machine by. */
  name: string;
  /** The server's id. */
  serverId: string;
  /** Its addresses as `HOST:PORT`, at least one. */
  addresses: string[];
  /** Its certificate in DER; undefined for a server that speaks plaintext. */
  certificate: Uint8Array<ArrayBuffer> | undefined;
}

/** Everything in `client.json`. */
export interface ClientSettings {
  /** This machine's key pair; survives joining again. */
  keys: KeyPair;
  /** Undefined until it has joined a server. */
  enrolment: Enrolment | undefined;
}

const FILE_NAME = "client.json";
const FORMAT = 1;
const DAMAGED_HINT =
  'Restore the file from a backup, or move it away and run "hbclient join KEY" with a new join key';

function bytesOf(minimum: number, maximum = minimum) {
  return v.pipe(
    v.string(),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      try {
        const bytes = decodeBase64Url(dataset.value);
        if (bytes.length >= minimum && bytes.length <= maximum) return bytes;
      } catch {
        // Not base64url: reported like a wrong length, below.
      }
      addIssue({ message: "not the right bytes" });
      return NEVER;
    }),
  );
}

const MAX_PRIVATE_KEY_BYTES = 128;
const MAX_CERTIFICATE_BYTES = 16 * 1024;
const MAX_ADDRESSES = 16;

const keySchema = {
  format: v.literal(FORMAT),
  publicKey: bytesOf(PUBLIC_KEY_BYTES),
  privateKey: bytesOf(1, MAX_PRIVATE_KEY_BYTES),
};
const address = v.pipe(
  v.string(),
  v.check((text) => parseServerAddress(text) !== undefined, "no address"),
);
const schema = v.union([
  v.strictObject({
    ...keySchema,
    name: v.pipe(v.string(), v.check(isClientName, "no client name")),
    serverId: v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${KEY_ID_HEX_DIGITS}}$`))),
    addresses: v.pipe(v.array(address), v.minLength(1), v.maxLength(MAX_ADDRESSES)),
    plaintext: v.boolean(),
    certificate: v.optional(bytesOf(1, MAX_CERTIFICATE_BYTES)),
  }),
  v.strictObject(keySchema),
]);

/** Reads an address of a server; the port may be left out. Undefined when the text is none. */
export function parseServerAddress(text: string): Address | undefined {
  return parseAddress(text, { port: DEFAULT_PORT });
}

/** The settings in `directory`, undefined when there are none; a damaged file is a `ClientError`. */
export async function readSettings(directory: string): Promise<ClientSettings | undefined> {
  const path = join(directory, FILE_NAME);
  const text = await readPrivateFile(path);
  if (text === undefined) return undefined;
  const result = v.safeParse(schema, parseJson(text));
  if (!result.success) throw damaged(path, "its contents are not those of a client's settings");
  const { output } = result;
  const keys = { publicKey: output.publicKey, privateKey: output.privateKey };
  if (!await belongTogether(keys)) throw damaged(path, "its two keys do not belong together");
  if (!("serverId" in output)) return { keys, enrolment: undefined };
  const { name, serverId, addresses, certificate } = output;
  if (output.plaintext !== (certificate === undefined)) {
    throw damaged(path, "it must either hold a certificate or say plaintext");
  }
  return { keys, enrolment: { name, serverId, addresses, certificate } };
}

/** Replaces the settings in `directory`; on disk when it resolves. */
export async function writeSettings(directory: string, settings: ClientSettings): Promise<void> {
  const { keys, enrolment } = settings;
  const json = {
    format: FORMAT,
    publicKey: encodeBase64Url(keys.publicKey),
    privateKey: encodeBase64Url(keys.privateKey),
    ...(enrolment === undefined ? {} : {
      name: enrolment.name,
      serverId: enrolment.serverId,
      addresses: enrolment.addresses,
      plaintext: enrolment.certificate === undefined,
      ...(enrolment.certificate === undefined
        ? {}
        : { certificate: encodeBase64Url(enrolment.certificate) }),
    }),
  };
  await writePrivateFile(join(directory, FILE_NAME), `${JSON.stringify(json, null, 2)}\n`);
}

/** The settings in `directory`; where there are none, a new key pair is made and kept. */
export async function readOrCreateSettings(directory: string): Promise<ClientSettings> {
  const settings = await readSettings(directory);
  if (settings !== undefined) return settings;
  const created = { keys: await generateKeyPair(), enrolment: undefined };
  await writeSettings(directory, created);
  // Another process may have done the same meanwhile; both go on with what is there now.
  return await readSettings(directory) ?? created;
}

/** A name for this machine when nobody has chosen one: its host name, made into a client's name. */
export function defaultClientName(host: string = hostname()): string {
  const [label = ""] = host.split(".");
  const word = label.replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, "")
    .slice(0, MAX_CLIENT_NAME_CHARS);
  return isClientName(word) ? word : `client-${word}`.replace(/-$/, "");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Fails the check that follows like any other wrong content.
  }
}

async function belongTogether({ publicKey, privateKey }: KeyPair): Promise<boolean> {
  const bytes = new Uint8Array([1]);
  try {
    const signature = new Uint8Array(await sign(privateKey, bytes));
    return await verify(publicKey, { bytes, signature });
  } catch {
    return false; // A private key that cannot be used belongs to nothing.
  }
}

function damaged(path: string, what: string): ClientError {
  return new ClientError(`Cannot use settings ${quoted(path)}: ${what}`, {
    code: "damaged_settings",
    hint: DAMAGED_HINT,
  });
}
