-- Times are ms since the Unix epoch. Keys are integers of this file; ids are what the world sees.

CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE application (
  application_key INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  number INTEGER NOT NULL UNIQUE,
  uid TEXT UNIQUE,
  name TEXT NOT NULL,
  throttle_rate INTEGER,
  metadata TEXT NOT NULL,
  -- The last second that a web hook id of this company was made of.
  web_hook_second INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);

CREATE TABLE endpoint (
  endpoint_key INTEGER PRIMARY KEY AUTOINCREMENT,
  application_key INTEGER NOT NULL REFERENCES application,
  id TEXT NOT NULL UNIQUE,
  web_hook_id TEXT NOT NULL UNIQUE,
  uid TEXT,
  url TEXT NOT NULL,
  href TEXT NOT NULL,
  description TEXT NOT NULL,
  disabled INTEGER NOT NULL,
  event_types TEXT,
  channels TEXT,
  throttle_rate INTEGER,
  metadata TEXT NOT NULL,
  headers TEXT NOT NULL,
  sealed_secret BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER
);
CREATE INDEX endpoint_live ON endpoint (application_key) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX endpoint_uid ON endpoint (application_key, uid) WHERE uid IS NOT NULL;

CREATE TABLE event_type (
  position INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  schema TEXT,
  example TEXT,
  archived INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);

CREATE TABLE api_key (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  hash BLOB NOT NULL UNIQUE,
  application_key INTEGER REFERENCES application,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
) WITHOUT ROWID;

CREATE TABLE message (
  message_key INTEGER PRIMARY KEY,
  application_key INTEGER NOT NULL,
  id TEXT NOT NULL,
  event_id TEXT,
  event_type TEXT NOT NULL,
  channels TEXT,
  tags TEXT,
  created_at INTEGER NOT NULL,
  -- Last, so that what reads the other columns never touches its overflow pages. NULL: expunged.
  payload TEXT
);
CREATE UNIQUE INDEX message_id ON message (application_key, id);
CREATE UNIQUE INDEX message_event_id ON message (application_key, event_id) WHERE event_id IS NOT NULL;

-- state: 0 pending, 1 sending, 2 succeeded, 3 failed, 4 held, 5 cancelled.
-- Clustered by message: a message's deliveries are one range, and new ones are always written at the end.
CREATE TABLE delivery (
  message_key INTEGER NOT NULL,
  endpoint_key INTEGER NOT NULL,
  state INTEGER NOT NULL,
  attempt_count INTEGER NOT NULL,
  -- NULL unless pending or sending.
  next_attempt_at INTEGER,
  fence INTEGER NOT NULL,
  reason TEXT,
  PRIMARY KEY (message_key, endpoint_key)
) WITHOUT ROWID;
-- All open work and nothing else: what is due for an endpoint, and what was under way when a process died.
CREATE INDEX delivery_open ON delivery (state, endpoint_key, next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX delivery_held ON delivery (endpoint_key) WHERE state = 4;

CREATE TABLE attempt (
  attempt_key INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  message_key INTEGER NOT NULL,
  endpoint_key INTEGER NOT NULL,
  number INTEGER NOT NULL,
  trigger TEXT NOT NULL,
  url TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  status INTEGER,
  retry_after TEXT,
  error_code TEXT,
  error_message TEXT,
  body TEXT NOT NULL
);
CREATE INDEX attempt_by_message ON attempt (message_key, id);
CREATE INDEX attempt_by_endpoint ON attempt (endpoint_key, id);

CREATE TABLE idempotency (
  key_hash BLOB PRIMARY KEY,
  body_hash BLOB NOT NULL,
  message_ids TEXT NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (created_at);
