-- Who is signed in to the console. They go without a word when they end: nothing asks for one that did.

CREATE TABLE posthorn.console_session (
  id text COLLATE "C" PRIMARY KEY,
  key_id text COLLATE "C" NOT NULL,
  application_key bigint,
  hash bytea NOT NULL UNIQUE,
  -- 'link', 'open'.
  state text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL
);
CREATE INDEX console_session_application ON posthorn.console_session (application_key) WHERE application_key IS NOT NULL;
CREATE INDEX console_session_key ON posthorn.console_session (key_id);
CREATE INDEX console_session_expiry ON posthorn.console_session (expires_at);
