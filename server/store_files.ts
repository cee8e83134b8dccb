/**
 * What the server's database is asked about files: those of clients, and the folders that their manifests have got;
 * the files that wait for clients are in `store_pushes.ts`.
 *
 * @module
 */

import { StoreMessages } from "./store_messages.ts";
import type { FileRecord } from "./store_record.ts";
import { MAX_ROWS, type Row } from "./store_statements.ts";

/** The tables of files and folders, beside those of `store_messages.ts`. */
export class StoreFiles extends StoreMessages {
  /** Records a published file and its line of the timeline. */
  addFile(file: Omit<FileRecord, "seq" | "clientName">): void {
    const { lastInsertRowid } = this.#insertFile("", file);
    const { at, client, id, name, path, bytes, sha256, state, direction } = file;
    const data = { id, direction, name, path, bytes, sha256, state };
    this.addEvent({ at, client, kind: "file", ref: Number(lastInsertRowid), data });
  }

  /** Records published files of a manifest without a line each; those on record already stay as they are. */
  addFiles(files: Omit<FileRecord, "seq" | "clientName">[]): void {
    for (const file of files) this.#insertFile("ON CONFLICT (client, id) DO NOTHING", file);
  }

  #insertFile(onConflict: string, file: Omit<FileRecord, "seq" | "clientName">) {
    return this.run(
      `INSERT INTO file (id, client, direction, name, path, bytes, sha256, state, at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ${onConflict}`,
      file.id,
      file.client,
      file.direction,
      file.name,
      file.path,
      file.bytes,
      file.sha256,
      file.state,
      file.at,
    );
  }

  /** The file that a transfer of this client has become; undefined while it has become none. */
  receivedFile(client: string, id: string): FileRecord | undefined {
    const row = this.get(
      `SELECT file.*, client.name AS client_name FROM file JOIN client ON client.id = file.client
       WHERE file.client = ? AND file.id = ? AND direction = 'in'`,
      client,
      id,
    );
    return row && toFile(row);
  }

  /** Ids of a client's received files from `first` to `last`, both included. */
  receivedIds(client: string, range: { first: string; last: string }): string[] {
    return this.all(
      "SELECT id FROM file WHERE client = ? AND id BETWEEN ? AND ? AND direction = 'in'",
      client,
      range.first,
      range.last,
    ).map((row) => String(row.id));
  }

  /** Whether a transfer of this client has been published already. */
  hasFile(client: string, id: string): boolean {
    return this.get(
      "SELECT 1 FROM file WHERE client = ? AND id = ? AND direction = 'in'",
      client,
      id,
    ) !== undefined;
  }

  /** Files, newest last, of one client or all. */
  files(client?: string): FileRecord[] {
    return this.all(
      `SELECT * FROM (
         SELECT file.*, client.name AS client_name FROM file JOIN client ON client.id = file.client
         WHERE ?1 IS NULL OR client = ?1 ORDER BY seq DESC LIMIT ?2
       ) ORDER BY seq`,
      client ?? null,
      MAX_ROWS,
    ).map(toFile);
  }

  /** The name of the folder that a manifest of this client has got. */
  folderName(client: string, id: string): string | undefined {
    const row = this.get("SELECT name FROM folder WHERE client = ? AND id = ?", client, id);
    return row && String(row.name);
  }

  /** Notes which folder a manifest gets, before it is made. */
  addFolder(folder: { client: string; id: string; name: string; at: number }): void {
    this.run(
      "INSERT INTO folder (client, id, name, at) VALUES (?, ?, ?, ?)",
      folder.client,
      folder.id,
      folder.name,
      folder.at,
    );
  }
}

function toFile(row: Row): FileRecord {
  return {
    seq: Number(row.seq),
    id: String(row.id),
    client: String(row.client),
    clientName: String(row.client_name),
    direction: row.direction as "in" | "out",
    name: String(row.name),
    path: String(row.path),
    bytes: Number(row.bytes),
    sha256: String(row.sha256),
    state: String(row.state),
    at: Number(row.at),
    ...(row.landed === null ? {} : { landed: String(row.landed) }),
    ...(row.reason === null ? {} : { reason: String(row.reason) }),
  };
}
