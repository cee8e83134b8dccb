/**
 * Every number of the wire, named, with its unit and its reason.
 *
 * The first part is the specification: both sides must agree on it (see SPEC.md). The second part is
 * this implementation's own choice, which a peer cannot observe except as a refusal.
 *
 * @module
 */

// ---------------------------------------------------------------------------------------------
// Specification
// ---------------------------------------------------------------------------------------------

/** The lowest protocol version that this program speaks. */
export const VERSION_MIN = 1;
/** The highest protocol version that this program speaks. */
export const VERSION_MAX = 1;
/** The one TCP port, for every role and dialect. */
export const DEFAULT_PORT = 5001;
/** Usual time between two heartbeats of a client, in milliseconds; every liveness limit scales with it. */
export const HEARTBEAT_INTERVAL_MS = 20_000;
/** Longest line, LF not counted, before the greeting is complete, in bytes. */
export const MAX_GREETING_LINE_BYTES = 4 * 1024;
/** Longest line, LF not counted, after the greeting, in bytes. */
export const MAX_LINE_BYTES = 64 * 1024;
/** Absolute time for the whole greeting, counted from accept, in milliseconds. */
export const GREETING_DEADLINE_MS = 10_000;
/** Deepest nesting of objects and arrays in a frame's JSON. */
export const MAX_JSON_DEPTH = 8;
/** Longest text of one message, in bytes of UTF-8. */
export const MAX_MESSAGE_BYTES = 16 * 1024;
/** Bytes of randomness in a challenge. */
export const NONCE_BYTES = 32;
/** Bytes of an Ed25519 public key. */
export const PUBLIC_KEY_BYTES = 32;
/** Bytes of an Ed25519 signature. */
export const SIGNATURE_BYTES = 64;
/** Bytes of a join key's secret and of the HMAC-SHA-256 made with it. */
export const INVITE_SECRET_BYTES = 32;
/** Hex digits of a key id: the first 160 bits of SHA-256 over a public key. */
export const KEY_ID_HEX_DIGITS = 40;
/** Known verbs with a bad field that one connection may send; the last of them closes it. */
export const MAX_BAD_FIELDS = 3;
/** Longest single name (a file, a folder, a client), in bytes of UTF-8; the limit of ext4, APFS and NTFS. */
export const MAX_NAME_BYTES = 255;
/** Deepest path of an offered file, in segments. */
export const MAX_PATH_SEGMENTS = 32;
/** Longest path of an offered file, all segments and their separators, in bytes of UTF-8. */
export const MAX_PATH_BYTES = 1024;
/** Longest client name, in characters; names are `[A-Za-z0-9][A-Za-z0-9._-]*`. */
export const MAX_CLIENT_NAME_CHARS = 63;
/** Longest text of a reason, application name or other free text for people in a frame, in characters. */
export const MAX_REASON_CHARS = 512;
/** Silence of the server after which a client closes and reconnects, in intervals (30 s at 20 s). */
export const SERVER_SILENT_INTERVALS = 1.5;
/** Silence after which a client is LATE, in intervals (25 s at 20 s). */
export const LATE_INTERVALS = 1.25;
/** Silence after which a client is SUSPECT and is asked with PING, in intervals (30 s at 20 s). */
export const SUSPECT_INTERVALS = 1.5;
/**
 * Silence after which a client is DOWN, in intervals (50 s at 20 s). TCP does not lose beats, it delays
 * them by doubling retransmission waits: 50 s rides out every network gap up to 25.4 s, 45 s only 12.6 s,
 * and 60 s gains nothing on a LAN.
 */
export const DOWN_INTERVALS = 2.5;
/** The same for a client whose measured round trip is above {@linkcode FAR_ROUND_TRIP_MS} (60 s at 20 s). */
export const DOWN_INTERVALS_FAR = 3;
/** Round trip above which {@linkcode DOWN_INTERVALS_FAR} holds, in milliseconds: T >= P + 127 x (0.2 s + RTT). */
export const FAR_ROUND_TRIP_MS = 35;
/** Changes between UP and DOWN within {@linkcode FLAP_INTERVALS} that make a client FLAPPING. */
export const FLAP_CHANGES = 3;
/** The span for {@linkcode FLAP_CHANGES}, and the quiet after which FLAPPING ends, in intervals (10 min at 20 s). */
export const FLAP_INTERVALS = 30;
/** Time after a close without BYE and without a reconnect until DOWN, in intervals (15 s at 20 s). */
export const LOST_INTERVALS = 0.75;
/** Beats after which a recovery is announced. */
export const RECOVERY_BEATS = 2;
/** Shortest wait before a reconnect, in milliseconds. */
export const RECONNECT_MIN_MS = 1_000;
/** Longest wait before a reconnect, in milliseconds, however long the interval is. */
export const RECONNECT_MAX_MS = 60_000;
/** The same in intervals (60 s at 20 s), so that every limit scales with the interval. */
export const RECONNECT_MAX_INTERVALS = 3;
/**
 * Time that every client has to come back after the server started or stood still, in intervals (70 s at
 * 20 s): the longest wait before a reconnect and half an interval for the connection itself. One DOWN period
 * would be too short for a client that waits for 60 s.
 */
export const COME_BACK_INTERVALS = 3.5;
/** Data connections of one client that may have a transfer under way at once; more wait and hear `busy`. */
export const MAX_DATA_CONNECTIONS_PER_CLIENT = 2;
/** Data connections of one client at all, those that wait included. */
export const MAX_DATA_SESSIONS_PER_CLIENT = 8;
/** Files and folders in one manifest. */
export const MAX_MANIFEST_ENTRIES = 100_000;
/** Highest number of a file in a manifest; numbers need not follow each other. */
export const MAX_MANIFEST_NUMBER = 2 ** 32;
/** Entries in one MANIFEST frame; at 128 bytes each they fit a line. */
export const MAX_MANIFEST_ENTRIES_PER_FRAME = 500;
/** All paths of one manifest, in bytes of UTF-8: 84 bytes each for as many as a manifest may have. */
export const MAX_MANIFEST_PATH_BYTES = 8 * 1024 * 1024;
/** Files in one BUNDLE; at 80 bytes each they fit a line. */
export const MAX_BUNDLE_ITEMS = 400;
/** Bytes of all files in one BUNDLE; a larger file is offered by itself, as only that can be resumed. */
export const MAX_BUNDLE_BYTES = 1024 * 1024;
/** Time for which the receiver keeps an unfinished transfer's bytes, in milliseconds: 7 days. */
export const PARTIAL_KEEP_MS = 7 * 24 * 3_600_000;
/** Time without a byte of progress after which a transfer is given up, in milliseconds. */
export const TRANSFER_STALL_MS = 60_000;
/** The slowest disk for which the other side's digest of a prefix is waited for, in bytes per millisecond: 10 MB/s. */
export const SLOWEST_PREFIX_BYTES_PER_MS = 10_000;
/** Messages that may wait for one peer. */
export const MAX_OUTBOX_MESSAGES = 1_000;
/** Bytes of text that may wait for one peer. */
export const MAX_OUTBOX_BYTES = 5 * 1024 * 1024;
/** Time for which a receiver that has refused a message as `full` takes no other in its place, in milliseconds. */
export const REFUSED_KEEP_MS = 60_000;
/** Shortest time after which a message that was refused as `full` is sent again, in milliseconds. */
export const RETRY_FULL_MIN_MS = 5_000;
/** Longest time after which it is, in milliseconds; in between, so that many senders do not come back together. */
export const RETRY_FULL_MAX_MS = 15_000;
/** Entries in one JOURNAL; with the longest reasons they just fit a line. */
export const MAX_JOURNAL_ENTRIES_PER_FRAME = 100;

// ---------------------------------------------------------------------------------------------
// Implementation
// ---------------------------------------------------------------------------------------------

/** First size of a connection's line buffer, in bytes; it doubles up to the line ceiling and shrinks back. */
export const READ_BUFFER_BYTES = 4 * 1024;
/** Size of the chunks in which file bytes move, in bytes; 742 MB/s against 239 MB/s with 64 KiB chunks. */
export const FILE_CHUNK_BYTES = 1024 * 1024;
/** Received bytes after which they are synced, so that a power cut costs no more, in bytes. */
export const CHECKPOINT_BYTES = 64 * 1024 * 1024;
/** The same in time, for slow lines, in milliseconds. */
export const CHECKPOINT_MS = 5_000;
/** Frames that wait to be written to one connection, in bytes; more, and the connection is dropped. */
export const MAX_WRITE_QUEUE_BYTES = 1024 * 1024;
/** Largest single write of queued frames, in bytes. */
export const MAX_WRITE_BYTES = 64 * 1024;
/** Time for which a write may make no progress before the connection is dropped, in milliseconds. */
export const WRITE_STALL_MS = 15_000;
/** Longest token of the classic dialect that is neither an offer nor a heartbeat, in bytes; longer text is cut. */
export const MAX_CLASSIC_TOKEN_BYTES = MAX_MESSAGE_BYTES;
/**
 * Quiet time after which an unterminated classic token counts as complete, in milliseconds. Long enough
 * for the second half of a token that TCP has split, short enough that nobody waits for READY.
 */
export const CLASSIC_SETTLE_MS = 250;
/** The same for the first letters of HEARTBEAT, END or bye, which are unlikely to be text, in milliseconds. */
export const CLASSIC_PREFIX_SETTLE_MS = 2_000;
