/**
 * The tables of the server's database, one migration per version; see `store_database.ts` for what is
 * done with them.
 *
 * @module
 */

import type { Migration } from "../platform/database.ts";

/** Each schema version, in order; a released one is never changed. */
export const STORE_MIGRATIONS: readonly Migration[] = [{
  name: "first tables",
  sql: `
  CREATE TABLE client (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('enrolled', 'open', 'classic')),
    public_key BLOB,
    revoked INTEGER NOT NULL DEFAULT 0,
    tags TEXT NOT NULL DEFAULT '[]',
    app TEXT NOT NULL DEFAULT '',
    address TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'PLANNED',
    cause TEXT,
    state_since INTEGER NOT NULL,
    last_seen INTEGER,
    planned_until INTEGER,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX client_name ON client (name COLLATE NOCASE) WHERE revoked = 0;

  CREATE TABLE invite (
    id TEXT PRIMARY KEY,
    secret BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    uses_left INTEGER NOT NULL,
    name TEXT,
    tags TEXT NOT NULL DEFAULT '[]',
    created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    client TEXT NOT NULL REFERENCES client (id),
    direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    sent_at INTEGER NOT NULL,
    at INTEGER NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'stored', 'shown')),
    UNIQUE (client, direction, id)
  ) STRICT;
  CREATE INDEX message_waiting ON message (client, seq)
    WHERE direction = 'out' AND state IN ('queued', 'sent');

  CREATE TABLE file (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    client TEXT NOT NULL REFERENCES client (id),
    direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    state TEXT NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (client, id)
  ) STRICT;

  CREATE TABLE alert (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    client TEXT NOT NULL REFERENCES client (id),
    state TEXT NOT NULL CHECK (state IN ('open', 'resolved')),
    cause TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    resolved_at INTEGER,
    evidence TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX alert_open ON alert (client, kind) WHERE state = 'open';

  CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    client TEXT,
    kind TEXT NOT NULL CHECK (kind IN ('beat', 'state', 'message', 'file', 'alert', 'audit')),
    ref INTEGER,
    data TEXT NOT NULL
  ) STRICT;
  CREATE INDEX event_client ON event (client, seq);
  CREATE INDEX event_kind_at ON event (kind, at);
  `,
}, {
  name: "files for clients",
  sql: `
  ALTER TABLE file ADD COLUMN content TEXT;
  ALTER TABLE file ADD COLUMN landed TEXT;
  ALTER TABLE file ADD COLUMN reason TEXT;
  CREATE INDEX file_waiting ON file (client, seq)
    WHERE direction = 'out' AND state IN ('queued', 'sent');
  CREATE INDEX file_content ON file (content)
    WHERE direction = 'out' AND state IN ('queued', 'sent');
  `,
}, {
  name: "folders of clients",
  sql: `
  CREATE TABLE folder (
    client TEXT NOT NULL REFERENCES client (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (client, id)
  ) STRICT, WITHOUT ROWID;
  `,
}, {
  name: "times of messages, and the clients' journals",
  sql: `
  CREATE TABLE new_message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    client TEXT NOT NULL REFERENCES client (id),
    direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    sent_at INTEGER NOT NULL,
    at INTEGER NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'expired', 'stored', 'shown')),
    expires_at INTEGER,
    stored_at INTEGER,
    shown_at INTEGER,
    told INTEGER NOT NULL DEFAULT 0,
    UNIQUE (id, client, direction)
  ) STRICT;
  INSERT INTO new_message (seq, id, client, direction, sent_at, at, text, state)
    SELECT seq, id, client, direction, sent_at, at, text, state FROM message;
  DROP TABLE message;
  ALTER TABLE new_message RENAME TO message;
  CREATE INDEX message_waiting ON message (client, seq)
    WHERE direction = 'out' AND state IN ('queued', 'sent');
  CREATE INDEX message_expires ON message (expires_at)
    WHERE direction = 'out' AND state IN ('queued', 'sent') AND expires_at IS NOT NULL;
  CREATE INDEX message_untold ON message (client, seq)
    WHERE direction = 'in' AND state = 'shown' AND told = 0;

  CREATE TABLE new_event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    client TEXT,
    kind TEXT NOT NULL
      CHECK (kind IN ('beat', 'state', 'message', 'file', 'alert', 'audit', 'journal')),
    ref INTEGER,
    data TEXT NOT NULL
  ) STRICT;
  INSERT INTO new_event SELECT seq, at, client, kind, ref, data FROM event;
  DROP TABLE event;
  ALTER TABLE new_event RENAME TO event;
  CREATE INDEX event_client ON event (client, seq);
  CREATE INDEX event_kind_at ON event (kind, at);

  CREATE TABLE journal (
    client TEXT NOT NULL REFERENCES client (id),
    journal TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (client, journal)
  ) STRICT, WITHOUT ROWID;
  `,
}, {
  name: "files of the server in backups, and the ages of files",
  sql: `
  CREATE TABLE server_file (
    name TEXT PRIMARY KEY,
    content TEXT NOT NULL
  ) STRICT;
  CREATE INDEX file_at ON file (at);
  `,
}, {
  name: "alerts of several clients, and what operators set",
  sql: `
  CREATE TABLE new_alert (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('down', 'group', 'flapping', 'identity')),
    state TEXT NOT NULL CHECK (state IN ('open', 'resolved')),
    cause TEXT NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    scope TEXT,
    title TEXT,
    words TEXT,
    opened_at INTEGER NOT NULL,
    told_at INTEGER,
    acked_at INTEGER,
    acked_by TEXT,
    acked_until INTEGER,
    note TEXT,
    resolved_at INTEGER,
    evidence TEXT NOT NULL
  ) STRICT;
  CREATE TABLE alert_client (
    alert INTEGER NOT NULL REFERENCES new_alert (id) ON DELETE CASCADE,
    client TEXT NOT NULL REFERENCES client (id),
    status TEXT NOT NULL CHECK (status IN ('silent', 'down', 'back', 'left')),
    cause TEXT NOT NULL,
    last_seen INTEGER NOT NULL,
    down_at INTEGER,
    ended_at INTEGER,
    downtime_ms INTEGER,
    evidence TEXT,
    PRIMARY KEY (alert, client)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO new_alert
    (id, kind, state, cause, severity, opened_at, told_at, resolved_at, evidence)
    SELECT id, kind, state, cause, 'critical', opened_at, opened_at, resolved_at, evidence FROM alert;
  INSERT INTO alert_client (alert, client, status, cause, last_seen, down_at, ended_at, evidence)
    SELECT id, client, CASE state WHEN 'open' THEN 'down' ELSE 'back' END, cause,
      coalesce(unixepoch(evidence ->> 'last_seen') * 1000, opened_at), opened_at, resolved_at, evidence
    FROM alert;
  DROP TABLE alert;
  ALTER TABLE new_alert RENAME TO alert;
  CREATE INDEX alert_open ON alert (id) WHERE state = 'open';

  CREATE TABLE overlay (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('maintenance', 'plan', 'snooze')),
    client TEXT REFERENCES client (id),
    tag TEXT,
    at INTEGER NOT NULL,
    ends_at INTEGER,
    until_back INTEGER NOT NULL,
    weekly TEXT,
    zone TEXT,
    by TEXT NOT NULL,
    note TEXT
  ) STRICT;
  `,
}, {
  name: "notices, and what is owed to channels",
  sql: `
  CREATE TABLE notice (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    at INTEGER NOT NULL,
    alert INTEGER,
    cause TEXT,
    clients TEXT NOT NULL,
    tags TEXT NOT NULL,
    title TEXT NOT NULL,
    words TEXT NOT NULL
  ) STRICT;
  CREATE INDEX notice_alert ON notice (alert) WHERE alert IS NOT NULL;
  CREATE INDEX notice_at ON notice (at);

  CREATE TABLE delivery (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    notice TEXT NOT NULL REFERENCES notice (id) ON DELETE CASCADE,
    channel TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL
      CHECK (state IN ('waiting', 'deferred', 'delivered', 'failed', 'skipped')),
    due_at INTEGER NOT NULL,
    escalates INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try_at INTEGER NOT NULL,
    refused INTEGER NOT NULL DEFAULT 0,
    why TEXT,
    summary TEXT,
    settled_at INTEGER,
    UNIQUE (notice, channel)
  ) STRICT;
  CREATE INDEX delivery_owed ON delivery (channel, due_at, seq)
    WHERE state IN ('waiting', 'deferred');
  `,
}, {
  name: "when the server was alive, and the quality of links by day",
  sql: `
  CREATE TABLE alive (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE link_day (
    client TEXT NOT NULL,
    day INTEGER NOT NULL,
    gaps INTEGER NOT NULL,
    gap_sum REAL NOT NULL,
    gap_squares REAL NOT NULL,
    gap_max REAL NOT NULL,
    trips INTEGER NOT NULL,
    trip_sum REAL NOT NULL,
    PRIMARY KEY (client, day)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX event_report ON event (client, at)
    WHERE kind IN ('state', 'alert', 'audit');
  `,
}];
