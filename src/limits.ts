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
export const ACCEPT_QUEUE_DELIVERIES = 200_000;
/** Publishes that may wait for the next accept transaction; past it: 429 with `Retry-After`. */
export const ACCEPT_QUEUE_BYTES = 64 * 1024 * 1024;

/** Attempts in one record transaction, and how long the first of them waits for company. */
export const RECORD_BATCH_ATTEMPTS = 512;
export const RECORD_WINDOW_MS = 10;
/** Attempts not yet recorded at which sending pauses. */
export const RECORD_QUEUE_ATTEMPTS = 8_192;

/** Requests under way at one endpoint. */
export const IN_FLIGHT_PER_ENDPOINT = 32;

/** What the schedule keeps in memory and under way. A test takes smaller ones, to meet them. */
export const SCHEDULE_LIMITS = {
  /** Deliveries in memory over all endpoints, for one endpoint, and the characters of all their payloads. */
  resident: 50_000,
  residentPerEndpoint: 4_096,
  residentCharacters: 128 * 1024 * 1024,
  /** Requests under way over all endpoints. */
  inFlight: 4_096,
  /** Due deliveries read from the store for one endpoint at a time. */
  claim: 512,
};

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
