-- Who is signed in to the console. They go without a word when they end: nothing asks for one that did.

CREATE TABLE console_session (
  id TEXT PRIMARY KEY,
  key_id TEXT NOT NULL,
  application_key INTEGER,
  hash BLOB NOT NULL UNIQUE,
  -- 'link', 'open'.
  state TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX console_session_application ON console_session (application_key) WHERE application_key IS NOT NULL;
CREATE INDEX console_session_key ON console_session (key_id);
CREATE INDEX console_session_expiry ON console_session (expires_at);
