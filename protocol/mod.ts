/**
 * The protocol of hb: what both sides agree on, as bytes and values. SPEC.md beside this file is the text.
 *
 * This is the folder's only door: nothing outside imports another file of it.
 *
 * @module
 */

export * from "./base64url.ts";
export * from "./byte_reader.ts";
export * from "./classic.ts";
export * from "./client_greeting.ts";
export * from "./connection.ts";
export * from "./error.ts";
export * from "./file_name.ts";
export * from "./file_stream.ts";
export * from "./frame.ts";
export * from "./identity.ts";
export * from "./join_key.ts";
export * from "./limits.ts";
export * from "./manifest.ts";
export * from "./offer.ts";
export * from "./server_greeting.ts";
export * from "./verb.ts";
export * from "./version.ts";
