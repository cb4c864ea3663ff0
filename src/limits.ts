/** Every limit, with its name and unit. What is over one gets a precise error; nothing is cut silently. */

/** Request body of one publish, of every other call, and of a batch publish. */
export const PUBLISH_BODY_BYTES = 2 * 1024 * 1024;
export const BODY_BYTES = 1024 * 1024;
export const BATCH_BODY_BYTES = 16 * 1024 * 1024;
export const BATCH_MESSAGES = 1_000;

/** A web hook's URL, in characters. */
export const URL_CHARACTERS = 2_048;
export const ENDPOINTS_PER_APPLICATION = 10_000;

/** Bytes read of an answer before the connection is dropped, and bytes of it kept. */
export const RESPONSE_READ_BYTES = 64 * 1024;
export const RESPONSE_STORED_BYTES = 20_000;

/** Rows of one page. */
export const PAGE_ROWS = 250;
export const PAGE_ROWS_DEFAULT = 50;

/** Publishes in one accept transaction, and bytes of payload that close it early. */
export const ACCEPT_BATCH_MESSAGES = 1_000;
export const ACCEPT_BATCH_BYTES = 8 * 1024 * 1024;
/** Deliveries that one publish call may fan out to: they are all one transaction. */
export const DELIVERIES_PER_PUBLISH = 50_000;
/** Deliveries that close an accept transaction early, and those that the publishes in the queue may lead to. */
export const ACCEPT_BATCH_DELIVERIES = 10_000;
/** As how many of them one counts that is ordered: its line is asked for, and two more indexes are written. */
export const ORDERED_DELIVERY_COST = 3;
export const ACCEPT_QUEUE_DELIVERIES = 200_000;
/** Publishes that may wait for the next accept transaction; past it: 429 with `Retry-After`. */
export const ACCEPT_QUEUE_BYTES = 64 * 1024 * 1024;
/** How long one waits for its transaction before it is refused; and how often it is fanned out anew because its endpoints changed meanwhile. */
export const ACCEPT_WAIT_MS = 10_000;
export const ACCEPT_FANOUTS = 10;
/** It waits before that from the third time on, twice as long each time, up to `most`. */
export const ACCEPT_FANOUT_MS = { first: 2, most: 16 };
/** Transactions that failed in a row after which one publish at a time tries whether the store is back; others are refused at once. */
export const ACCEPT_FAILURES = 3;
/** So many reads of a caller's key, too. */
export const KEY_READ_FAILURES = 3;
/** The last failure of a publish counts for so long in the server's health when no other publish follows. */
export const ACCEPT_FAILURE_COUNTS_MS = 15_000;

/** Attempts in one record transaction, and how long the first of them waits for company. */
export const RECORD_BATCH_ATTEMPTS = 512;
export const RECORD_WINDOW_MS = 10;
/** Attempts not yet recorded at which sending pauses. */
export const RECORD_QUEUE_ATTEMPTS = 8_192;

/** Requests under way at one endpoint: usually at most, and what it may ask for. */
export const IN_FLIGHT_PER_ENDPOINT = 32;
export const IN_FLIGHT_PER_ENDPOINT_MOST = 256;

/** Waits of an endpoint's own retry schedule, in ms, and how many; statuses that end a delivery at once. */
export const RETRY_DELAY_MS = { least: 100, most: 7 * 86_400_000 };
export const RETRIES_PER_SCHEDULE = 20;
export const FINAL_STATUSES = 50;

/** The breaker: failures in a row that open it, and how long it then waits for a probe, which doubles with each that fails. */
export const BREAKER_FAILURES = 10;
export const BREAKER_PROBE_MS = { first: 5_000, most: 5 * 60_000 };

/** How long it takes at the most until others go on with what a node had, from when it was last heard of; and what may be asked for. */
export const NODE_LEASE_MS = { least: 2_000, usual: 15_000, most: 5 * 60_000 };
/** Leases of an ended node that one transaction makes void. */
export const RELEASE_STEP = 1_000;
/** What other nodes did is looked for so often, besides the signals that tell of it. */
export const LOOK_MS = 10_000;

/** The part of the time to disabling an endpoint that fails after which operators are told. */
export const FAILING_TOLD_AFTER = 0.8;
/** The failed attempt of a delivery at which operators are told, as the protocol has it. */
export const FAILING_ATTEMPT = 4;

/** What the schedule keeps in memory and under way. A test takes smaller ones, to meet them. */
export const SCHEDULE_LIMITS = {
  /** Deliveries in memory over all endpoints, for one endpoint, and the characters of all their payloads. */
  resident: 50_000,
  residentPerEndpoint: 4_096,
  residentCharacters: 128 * 1024 * 1024,
  /** Requests under way over all endpoints. */
  inFlight: 4_096,
  /** Deliveries given to the sender before it can begin them, for one endpoint that answers quickly. */
  ahead: 512,
  /** Due deliveries read from the store for one endpoint at a time. */
  claim: 512,
};

/**
 * What the sender has ahead of its time is what it gets through in the first of these, so that it goes on while the thread of the store
 * waits for a disk; what it could not begin within the second comes back.
 */
export const AHEAD_MS = 15;
export const AHEAD_WAIT_MS = 50;

/** A retry due within this time keeps its lease and waits in memory; a later one goes back to the store. */
export const RETRY_IN_MEMORY_MS = 10_000;
/** `POST /web_hooks/test.json` under way at once, for one company and over all. */
export const TESTS_PER_APPLICATION = 5;
export const TESTS = 50;

/** How long a response is replayed for the same idempotency key. */
export const IDEMPOTENCY_KEPT_MS = 12 * 3_600_000;

/**
 * Sockets to receivers kept over those of `SCHEDULE_LIMITS.inFlight`, idle, and connections to the HTTP server. Both
 * are at most these: `system/open-files.ts` makes them fewer where the process may open fewer files.
 */
export const IDLE_SOCKETS = 4_096;
export const HTTP_CONNECTIONS = 10_000;
/** Requests of one connection that may wait behind the one that is being answered. */
export const PIPELINED_REQUESTS = 32;

/** The longest, and usual, time that a payload is kept; and how far ahead a delivery may be asked for. */
export const PAYLOAD_KEPT_MS = 90 * 86_400_000;
export const DELIVER_AHEAD_MS = 30 * 86_400_000;
/** How long a key is listed after it expired or was revoked. */
export const ENDED_KEY_KEPT_MS = 30 * 86_400_000;

/** Headers that an endpoint may have of its own, and what each may be. */
export const ENDPOINT_HEADERS = 50;
export const ENDPOINT_HEADER_NAME_CHARACTERS = 256;
export const ENDPOINT_HEADER_VALUE_BYTES = 4_096;
/** Names and values of all of them: a receiver takes about so much in one request. */
export const ENDPOINT_HEADERS_BYTES = 16 * 1024;

/** Headers kept of a request and of an answer, in characters. */
export const HEADERS_STORED_CHARACTERS = 4_096;

/** A name or description of something, in characters; and metadata, as JSON. */
export const TEXT_CHARACTERS = 4_096;
export const METADATA_BYTES = 4_096;

export const EVENT_TYPES = 10_000;
/** Names that one endpoint can ask for, and flags of one event type. */
export const EVENT_TYPES_PER_ENDPOINT = 1_000;
export const FEATURE_FLAGS = 50;
/** The schemas of one event type, as JSON; and how deep they nest. All are held in memory. */
export const EVENT_SCHEMAS_CHARACTERS = 128 * 1024;
export const EVENT_SCHEMAS_DEPTH = 100;
/** The schemas of the whole catalogue, as JSON. */
export const CATALOGUE_SCHEMAS_CHARACTERS = 64 * 1024 * 1024;
/** Secrets of one endpoint that were rotated out: how many of them may still sign at once. */
export const SECRETS_ROTATED_OUT = 10;
/** Resends that may wait for one endpoint. */
export const RESENDS_PER_ENDPOINT = 1_000;
/** Tasks that run for one endpoint, and for all of an application; how long an ended one is kept. */
export const TASKS_PER_ENDPOINT = 10;
export const TASKS_PER_APPLICATION = 100;
export const TASK_KEPT_MS = 30 * 86_400_000;
/** Tasks of one application in all: of more, those that ended first are forgotten before their time. */
export const TASKS_KEPT = 10_000;
/** Deliveries a second that a task lets go. */
export const TASK_RATE = { least: 1, usual: 100, most: 10_000 };
/** Event types with a `*` that one bulk-replay can ask for. */
export const PATTERNS_PER_REPLAY = 50;
/** How far ahead a message may expire. */
export const EXPIRE_AHEAD_MS = 90 * 86_400_000;
/** A message's ordering key, in characters. */
export const ORDERING_KEY_CHARACTERS = 256;
/** What the schema of its event type does not allow in one payload: how much of it is told. */
export const SCHEMA_PROBLEMS = 20;
/** Time that a schema may take to be compiled, and a payload to be checked by it. */
export const SCHEMA_COMPILE_MS = 1_000;
export const PAYLOAD_CHECK_MS = 100;
/** Payloads up to this long are checked for all their problems. */
export const PAYLOAD_CHECKED_WHOLE_CHARACTERS = 16 * 1024;
/** A payload's characters times its schema's, up to which it is checked without a deadline where no keyword could take longer. */
export const PAYLOAD_CHECKED_FREELY = 16 * 1024 * 1024;
/** Payloads of one call whose checks may take too long, before those of the others are not begun. */
export const PAYLOAD_CHECKS_TOO_LONG = 2;
/** Deliveries that one expunging transaction looks at, but for those of its last message: a few milliseconds. */
export const EXPUNGE_DELIVERIES = 2_000;
/** Open deliveries of one endpoint that are counted, of each state: a few milliseconds, whatever waits. */
export const OPEN_COUNTED = 100_000;

/**
 * Rows that a filtered list looks at in one step, between which others get their turn, and in one call. A publish waits for about two
 * steps: beside a text search in a loop (`npm run bench -- --rows g2`) its 202 took 7.3 ms (p50) with steps of 2,000 rows, 2.5 ms with 500, 1.8 ms with 250, and the
 * search itself 3 % and 7 % longer than with 2,000.
 */
export const SCAN_STEP_ROWS = 500;
export const SCAN_ROWS = 200_000;
/** Filtered lists and counts of one application that need more than one step, at once. */
export const SCANS_PER_APPLICATION = 8;

/** A key's name, in characters; how long a key that expires may live, and one that was rotated out. */
export const KEY_NAME_CHARACTERS = 256;
export const KEY_EXPIRY_SECONDS = { least: 60, most: 10 * 365 * 86_400 };
export const KEY_GRACE_SECONDS = { usual: 86_400, most: 7 * 86_400 };
/** How long a browser stays signed in to the console by a key; and how long a link to it may be followed. */
export const SESSION_MS = 12 * 3_600_000;
export const SESSION_LINK_MS = 3_600_000;
/** Flags of one key, and characters of the session id that a portal's token may be asked for with. */
export const KEY_FEATURE_FLAGS = 100;
export const SESSION_ID_CHARACTERS = 256;

/** PostgreSQL: until there is a connection (also when all of the pool are in use), a statement on the server, and its answer here. */
export const POSTGRES_CONNECT_MS = 3_000;
export const POSTGRES_STATEMENT_MS = 8_000;
export const POSTGRES_QUERY_MS = 10_000;
/** A check whether the store reads and writes is given up after this. */
export const STORE_PROBE_MS = 3_000;
/** A store that failed works again when nothing failed for so long; while it fails, that is told so often. */
export const STORE_TROUBLE_MS = { quiet: 5_000, told: 60_000 };
/** Signals of other processes are looked for this often, with LISTEN and without it, and kept so long. */
export const SIGNAL_POLL_MS = { listening: 5_000, polling: 500 };
export const SIGNALS_KEPT_MS = 600_000;
/**
 * Publishers' own transactions notify so far apart at the least, as each that does waits for the others' commits. For so long after one,
 * processes look this often for what came without; half as long after one, others may rely on that.
 */
export const PUBLISHER_SIGNALS_MS = { apart: 10, look: 15, lookFor: 1_000 };
/** Endpoints that one signal names. Of more, the others look at everything: that costs them less. */
export const SIGNAL_ENDPOINTS = 500;
/** Signals that one statement deletes. */
export const SIGNALS_PURGE_STEP = 10_000;
/**
 * How long message keys of one partition are given: so that about `PARTITIONS` of them hold what is kept. A look for what is due asks
 * each: nothing found took 0.5 ms with 10, 1.0 ms with 30, 2.2 ms with 90 (`npm run bench:postgres -- --parts partitions`).
 */
export const PARTITION_MS = { least: 86_400_000, most: 30 * 86_400_000 };
export const PARTITIONS = 14;
/** Partitions that are ready before keys come to them. Each has 2^30 keys. */
export const PARTITIONS_AHEAD = 2;
/** How long nothing of a partition must have been open before it is dropped: longer than any attempt takes that is under way. */
export const PARTITION_CLOSED_MS = 600_000;
/** Keys in all that one call deletes of what names the messages of a dropped partition, and by one statement. */
export const PARTITION_KEYS = { call: 500_000, step: 10_000 };
/**
 * A step of retention deletes so many rows that it takes `ms`, by how long the last one took; then everything else has the time of so
 * many steps. A publish waits for one step at the most.
 */
export const RETENTION_STEP = { rows: { least: 50, first: 300, most: 3_000 }, ms: 5, pauses: 3 };
/** When what was too old, and open, is looked at again (SQLite). */
export const RETENTION_LOOK_AGAIN_MS = 3_600_000;
/**
 * Statistics by the minute are kept so long at the least, until they are made into hours; those by the hour as long as messages are,
 * or so long.
 */
export const MINUTES_KEPT_MS = 6 * 3_600_000;
export const HOURS_KEPT_MS = 90 * 86_400_000;
/** Minutes or hours that one answer may have. */
export const STATISTICS_BUCKETS = 1_500;
/** Deliveries of each state that are counted of a backlog: there are so many, or more. */
export const BACKLOG_COUNTED = 10_000;
/** Rows, and bytes of their texts, that an export reads and an import writes at once; and a line of an export, in bytes. */
export const TRANSFER_PAGE_ROWS = 4_096;
export const TRANSFER_PAGE_BYTES = 4 * 1024 * 1024;
export const TRANSFER_LINE_BYTES = 64 * 1024 * 1024;
/** Lines (what is ordered by one key) whose turns are looked at in one transaction at the end of an import. */
export const TRANSFER_LINES_STEP = 1_000;
