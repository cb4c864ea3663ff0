-- What nodes have to know of each other; here there is one, and what it knows outlives a restart.

-- 1: its breaker is open.
ALTER TABLE endpoint_failing ADD COLUMN broken INTEGER NOT NULL DEFAULT 0;
