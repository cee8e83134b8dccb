/**
 * How long the server keeps what: one row for each kind, with the statement that removes what is past its time.
 *
 * What still waits for somebody is never past its time, nor is an open alert. Ids of messages and files stand in their
 * rows, so one that comes again is known for as long as those are kept, and no peer sends one again after that.
 *
 * @module
 */

/** Minutes of heartbeats are kept so long, in milliseconds. */
const KEEP_BEATS_MS = 7 * 24 * 3_600_000;
/** Everything else is kept so long, in milliseconds: a year, and a month to look back at it. */
const KEEP_MS = 400 * 24 * 3_600_000;

/** One kind of what is kept. */
export interface Retention {
  /** Time for which it is kept, in milliseconds. */
  readonly keepMs: number;
  /** Removes at most `?2` of it that are older than `?1`, in milliseconds since 1970; walks an index where there are many. */
  readonly sql: string;
}

/** A classic client sends no receipts, so `sent` is the end for it. */
const MESSAGE_WAITS = `message.direction = 'out' AND (message.state = 'queued'
  OR (message.state = 'sent' AND client.kind <> 'classic'))`;
const FILE_WAITS = "file.direction = 'out' AND file.state IN ('queued', 'sent')";

/** What is kept how long; a line of the timeline goes after the row that it tells of. */
export const RETENTION: readonly Retention[] = [
  {
    keepMs: KEEP_BEATS_MS,
    sql: `DELETE FROM event WHERE seq IN
      (SELECT seq FROM event WHERE kind = 'beat' AND at < ?1 LIMIT ?2)`,
  },
  {
    keepMs: KEEP_MS,
    sql: `DELETE FROM event WHERE seq IN
      (SELECT seq FROM event WHERE kind IN ('state', 'alert', 'audit', 'journal') AND at < ?1 LIMIT ?2)`,
  },
  {
    // By way of their lines, which an index holds by time.
    keepMs: KEEP_MS,
    sql: `DELETE FROM message WHERE seq IN
      (SELECT message.seq FROM event JOIN message ON message.seq = event.ref
         JOIN client ON client.id = message.client
       WHERE event.kind = 'message' AND event.at < ?1 AND NOT (${MESSAGE_WAITS}) LIMIT ?2)`,
  },
  {
    keepMs: KEEP_MS,
    sql: `DELETE FROM event WHERE seq IN
      (SELECT seq FROM event WHERE kind = 'message' AND at < ?1
         AND NOT EXISTS (SELECT 1 FROM message WHERE message.seq = event.ref) LIMIT ?2)`,
  },
  {
    keepMs: KEEP_MS,
    sql: `DELETE FROM file WHERE seq IN
      (SELECT seq FROM file WHERE at < ?1 AND NOT (${FILE_WAITS}) LIMIT ?2)`,
  },
  {
    keepMs: KEEP_MS,
    sql: `DELETE FROM event WHERE seq IN
      (SELECT seq FROM event WHERE kind = 'file' AND at < ?1
         AND NOT EXISTS (SELECT 1 FROM file WHERE file.seq = event.ref) LIMIT ?2)`,
  },
  {
    keepMs: KEEP_MS,
    sql: `DELETE FROM folder WHERE (client, id) IN
      (SELECT client, id FROM folder WHERE at < ?1 LIMIT ?2)`,
  },
  {
    keepMs: KEEP_MS,
    sql: `DELETE FROM alert WHERE id IN
      (SELECT id FROM alert WHERE state = 'resolved' AND resolved_at < ?1 LIMIT ?2)`,
  },
  {
    keepMs: KEEP_MS,
    sql: `DELETE FROM notice WHERE id IN
      (SELECT id FROM notice WHERE at < ?1 AND NOT EXISTS (SELECT 1 FROM delivery
         WHERE delivery.notice = notice.id AND state IN ('waiting', 'deferred')) LIMIT ?2)`,
  },
  {
    keepMs: KEEP_MS,
    sql: `DELETE FROM link_day WHERE (client, day) IN
      (SELECT client, day FROM link_day WHERE day < ?1 / 86400000 LIMIT ?2)`,
  },
];
