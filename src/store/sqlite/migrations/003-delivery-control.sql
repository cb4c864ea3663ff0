-- Control over delivery: schedules, order, expiry and pauses of endpoints and messages; tasks; what operators are told.

-- 'manual', 'gone', 'failing'; NULL while it is enabled.
ALTER TABLE endpoint ADD COLUMN disabled_reason TEXT;
ALTER TABLE endpoint ADD COLUMN disabled_at INTEGER;
UPDATE endpoint SET disabled_reason = 'manual', disabled_at = updated_at WHERE disabled = 1;
ALTER TABLE endpoint ADD COLUMN paused_at INTEGER;
ALTER TABLE endpoint ADD COLUMN max_in_flight INTEGER NOT NULL DEFAULT 32;
-- 'none', 'endpoint', 'key'.
ALTER TABLE endpoint ADD COLUMN ordering TEXT NOT NULL DEFAULT 'none';
-- JSON: {"preset": …} or {"delaysMs": […], "jitter": …}; NULL: that of the settings.
ALTER TABLE endpoint ADD COLUMN retry_schedule TEXT;
ALTER TABLE endpoint ADD COLUMN final_statuses TEXT NOT NULL DEFAULT '[]';

-- Only endpoints that did nothing but fail since a time have a row.
CREATE TABLE endpoint_failing (
  endpoint_key INTEGER PRIMARY KEY,
  since INTEGER NOT NULL,
  warned_at INTEGER
);

-- 'off', 'warn', 'reject'.
ALTER TABLE event_type ADD COLUMN validation TEXT NOT NULL DEFAULT 'off';

-- Behind the payload, like deliver_at: read from indexes of those that have one.
ALTER TABLE message ADD COLUMN expires_at INTEGER;
ALTER TABLE message ADD COLUMN ordering_key TEXT;
CREATE INDEX message_expires_at ON message (message_key, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX message_ordering_key ON message (message_key, ordering_key) WHERE ordering_key IS NOT NULL;
-- Messages that are yet to expire, in that order. A row goes when its message's deliveries were looked at; it is put off while one is under way.
CREATE TABLE expiry (
  expires_at INTEGER NOT NULL,
  message_key INTEGER NOT NULL,
  PRIMARY KEY (expires_at, message_key)
) WITHOUT ROWID;

-- NULL: not ordered. '': by the endpoint. Else the message's ordering key.
ALTER TABLE delivery ADD COLUMN order_key TEXT;
-- Operators were told that it fails.
ALTER TABLE delivery ADD COLUMN announced INTEGER NOT NULL DEFAULT 0;
-- A line: what is ordered by one key of one endpoint. Who stands in it, oldest first: pending, sending, failed and held. Of
-- those, who has its turn: one at most. And those of all lines that wait behind another: pending without a time.
CREATE INDEX delivery_line ON delivery (endpoint_key, order_key, message_key)
  WHERE order_key IS NOT NULL AND state IN (0, 1, 3, 4);
CREATE INDEX delivery_turn ON delivery (endpoint_key, order_key)
  WHERE order_key IS NOT NULL AND state IN (0, 1) AND next_attempt_at IS NOT NULL;
-- With the time that is NULL, so that counting reads nothing else.
CREATE INDEX delivery_waiting ON delivery (endpoint_key, next_attempt_at) WHERE state = 0 AND next_attempt_at IS NULL;

CREATE TABLE task (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  application_key INTEGER NOT NULL,
  source_key INTEGER NOT NULL,
  target_key INTEGER NOT NULL,
  -- JSON, as in the model.
  filter TEXT NOT NULL,
  -- Message ids. The next step begins at position, and the last one ends before to_id.
  from_id TEXT NOT NULL,
  to_id TEXT NOT NULL,
  position TEXT NOT NULL,
  rate INTEGER NOT NULL,
  scanned INTEGER NOT NULL DEFAULT 0,
  affected INTEGER NOT NULL DEFAULT 0,
  -- 'running', 'finished', 'cancelled', 'failed'.
  state TEXT NOT NULL DEFAULT 'running',
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX task_running ON task (created_at) WHERE state = 'running';
CREATE INDEX task_running_of ON task (application_key, source_key) WHERE state = 'running';
CREATE INDEX task_ended ON task (updated_at) WHERE state != 'running';
CREATE INDEX task_application ON task (application_key, id);
CREATE INDEX task_state ON task (state, id);
CREATE INDEX task_application_state ON task (application_key, state, id);
INSERT INTO task (id, kind, application_key, source_key, target_key, filter, from_id, to_id, position, rate, scanned, affected,
  state, created_at, updated_at)
SELECT id, 'recover', application_key, endpoint_key, endpoint_key, '{"states":["failed","held"]}', from_id, to_id, from_id, 100, 0,
  recovered, iif(finished = 1, 'finished', 'running'), created_at, updated_at FROM recovery;
DROP TABLE recovery;

-- What operators are yet to be told; written with what it tells of, deleted when it is published.
CREATE TABLE announcement (
  announcement_key INTEGER PRIMARY KEY AUTOINCREMENT,
  type TEXT NOT NULL,
  application_key INTEGER NOT NULL,
  endpoint_key INTEGER NOT NULL,
  -- Of attempts.
  message_key INTEGER,
  attempt_id TEXT,
  -- Of endpoints: JSON, as it is sent.
  data TEXT,
  created_at INTEGER NOT NULL
);
