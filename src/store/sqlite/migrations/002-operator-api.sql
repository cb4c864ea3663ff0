-- The whole operator API: applications, endpoints and event types that change, keys with a scope, resends, recoveries.

ALTER TABLE application ADD COLUMN deleted_at INTEGER;
CREATE INDEX application_live ON application (id) WHERE deleted_at IS NULL;

ALTER TABLE endpoint ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE endpoint ADD COLUMN sealed_headers BLOB;
ALTER TABLE endpoint ADD COLUMN secret_expiries TEXT NOT NULL DEFAULT '[]';
-- Nothing could be set here so far.
ALTER TABLE endpoint DROP COLUMN headers;

ALTER TABLE event_type ADD COLUMN schemas TEXT;
ALTER TABLE event_type ADD COLUMN deprecated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE event_type ADD COLUMN feature_flags TEXT;
ALTER TABLE event_type ADD COLUMN group_name TEXT;
UPDATE event_type SET schemas = json_object('1', json(iif(example IS NULL, coalesce(schema, '{}'),
  json_set(coalesce(schema, '{}'), '$.examples', json_array(json(example))))))
WHERE schema IS NOT NULL OR example IS NOT NULL;
ALTER TABLE event_type DROP COLUMN schema;
ALTER TABLE event_type DROP COLUMN example;

ALTER TABLE api_key ADD COLUMN slot TEXT;
ALTER TABLE api_key ADD COLUMN capabilities TEXT;
ALTER TABLE api_key ADD COLUMN feature_flags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE api_key ADD COLUMN last_used_at INTEGER;
UPDATE api_key SET slot = name WHERE name IN ('operator', 'company 1');
CREATE INDEX api_key_application ON api_key (application_key, id) WHERE revoked_at IS NULL;
CREATE INDEX api_key_slot ON api_key (slot, created_at, id) WHERE slot IS NOT NULL;
-- By the earlier of the two times.
CREATE INDEX api_key_ended ON api_key (min(coalesce(revoked_at, expires_at), coalesce(expires_at, revoked_at)))
  WHERE min(coalesce(revoked_at, expires_at), coalesce(expires_at, revoked_at)) IS NOT NULL;

-- Both are made again, so that payload and body stay last: what reads the other columns never touches their overflow pages.
CREATE TABLE message_2 (
  message_key INTEGER PRIMARY KEY,
  application_key INTEGER NOT NULL,
  id TEXT NOT NULL,
  event_id TEXT,
  event_type TEXT NOT NULL,
  channels TEXT,
  tags TEXT,
  deliver_at INTEGER,
  -- NULL: as long as payloads are kept at most, counted from created_at.
  payload_until INTEGER,
  created_at INTEGER NOT NULL,
  payload TEXT
);
INSERT INTO message_2 SELECT message_key, application_key, id, event_id, event_type, channels, tags, NULL, NULL, created_at, payload
  FROM message ORDER BY message_key;
DROP TABLE message;
ALTER TABLE message_2 RENAME TO message;
CREATE UNIQUE INDEX message_id ON message (application_key, id);
CREATE UNIQUE INDEX message_event_id ON message (application_key, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX message_payload_until ON message (payload_until) WHERE payload_until IS NOT NULL;

CREATE TABLE attempt_2 (
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
  -- name, value, name, value…, a line each. NULL: from before they were kept.
  request_headers TEXT,
  response_headers TEXT,
  body TEXT NOT NULL
);
INSERT INTO attempt_2 SELECT attempt_key, id, message_key, endpoint_key, number, trigger, url, started_at, duration_ms, status,
  retry_after, error_code, error_message, NULL, NULL, body FROM attempt ORDER BY attempt_key;
DROP TABLE attempt;
ALTER TABLE attempt_2 RENAME TO attempt;
CREATE INDEX attempt_by_message ON attempt (message_key, id);
-- With the status, so that counting reads nothing else.
CREATE INDEX attempt_by_endpoint ON attempt (endpoint_key, id, status);

-- One attempt each that a person asked for; the row goes when the attempt is on record.
CREATE TABLE resend (
  resend_key INTEGER PRIMARY KEY AUTOINCREMENT,
  message_key INTEGER NOT NULL,
  endpoint_key INTEGER NOT NULL,
  -- 0: waits. Else the lease, as in delivery.
  fence INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX resend_of ON resend (endpoint_key, message_key);
CREATE INDEX resend_message ON resend (message_key);
-- What waits, in the order it is claimed; and what was under way when a process died.
CREATE INDEX resend_waiting ON resend (endpoint_key, created_at) WHERE fence = 0;
CREATE INDEX resend_leased ON resend (fence) WHERE fence > 0;

CREATE TABLE recovery (
  id TEXT PRIMARY KEY,
  application_key INTEGER NOT NULL,
  endpoint_key INTEGER NOT NULL,
  -- Message ids. The next step begins at from_id, and the last one ends before to_id.
  from_id TEXT NOT NULL,
  to_id TEXT NOT NULL,
  recovered INTEGER NOT NULL DEFAULT 0,
  finished INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX recovery_open ON recovery (created_at) WHERE finished = 0;

-- Answers to calls that made something, for when the same call comes again.
CREATE TABLE answer (
  key_hash BLOB PRIMARY KEY,
  body_hash BLOB NOT NULL,
  sealed BLOB NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX answer_age ON answer (created_at);
