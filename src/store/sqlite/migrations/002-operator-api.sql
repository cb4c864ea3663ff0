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
ALTER TABLE api_key ADD COLUMN replaced_by TEXT;
UPDATE api_key SET slot = name WHERE name IN ('operator', 'company 1');
CREATE INDEX api_key_application ON api_key (application_key, id) WHERE revoked_at IS NULL;
CREATE INDEX api_key_slot ON api_key (slot, created_at, id) WHERE slot IS NOT NULL;
-- By the earlier of the two times.
CREATE INDEX api_key_ended ON api_key (min(coalesce(revoked_at, expires_at), coalesce(expires_at, revoked_at)))
  WHERE min(coalesce(revoked_at, expires_at), coalesce(expires_at, revoked_at)) IS NOT NULL;

-- The large tables stay in place: new columns are added, and nothing is written anew but one index. What is NULL in a column
-- behind the payload costs nothing to read; for a value there the payload is walked through, which made a list of 250
-- messages of 1 MB take 100 ms instead of 1. So deliver_at is read from an index of those that have one.
ALTER TABLE message ADD COLUMN deliver_at INTEGER;
CREATE INDEX message_deliver_at ON message (message_key, deliver_at) WHERE deliver_at IS NOT NULL;
-- NULL: as long as payloads are kept at most, counted from created_at. Read by its index alone.
ALTER TABLE message ADD COLUMN payload_until INTEGER;
CREATE INDEX message_payload_until ON message (payload_until) WHERE payload_until IS NOT NULL;

-- Name, value, name, value…, a line each. NULL: from before they were kept. An attempt is read with its body in any case.
ALTER TABLE attempt ADD COLUMN request_headers TEXT;
ALTER TABLE attempt ADD COLUMN response_headers TEXT;
-- With the status, so that counting reads nothing else.
DROP INDEX attempt_by_endpoint;
CREATE INDEX attempt_by_endpoint ON attempt (endpoint_key, id, status);

-- One attempt each that a person asked for; the row goes when the attempt is on record.
CREATE TABLE resend (
  resend_key INTEGER PRIMARY KEY AUTOINCREMENT,
  message_key INTEGER NOT NULL,
  endpoint_key INTEGER NOT NULL,
  -- 0: waits. Else the lease, as in delivery.
  fence INTEGER NOT NULL DEFAULT 0,
  -- Nothing goes by it: a clock can be set back.
  created_at INTEGER NOT NULL
);
-- Not unique: a second one may be asked for while the first is under way.
CREATE INDEX resend_of ON resend (endpoint_key, message_key);
CREATE INDEX resend_message ON resend (message_key);
-- What waits, in the order it is claimed, which is that of the keys; and what was under way when a process died.
CREATE INDEX resend_waiting ON resend (endpoint_key) WHERE fence = 0;
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
CREATE INDEX recovery_open_of ON recovery (application_key, endpoint_key) WHERE finished = 0;
CREATE INDEX recovery_finished ON recovery (updated_at) WHERE finished = 1;

-- Answers to calls that made something, for when the same call comes again.
CREATE TABLE answer (
  key_hash BLOB PRIMARY KEY,
  body_hash BLOB NOT NULL,
  sealed BLOB NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX answer_age ON answer (created_at);
