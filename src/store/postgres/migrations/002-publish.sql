-- Publishing inside of a transaction of the publisher's own: posthorn.publish(…). Whoever may run it needs no other right in this
-- schema: what it does is done as the owner.
--
--     publish ──► staged_message ──COMMIT──► message, delivery, signal
--                     │
--                     └──ROLLBACK, also to a savepoint──► nothing
--
-- A call checks what it is given, and keeps it. What others would have to wait for, or could change before the end of the
-- transaction, is done when it commits, however long it took: endpoints are those of that moment, message keys ascend in the order
-- of commits, and locks are held for no longer than the commit takes.
--
-- A later migration replaces functions (CREATE OR REPLACE) rather than make them anew: whoever was granted one keeps it.

CREATE SEQUENCE posthorn.staged_position;
CREATE TABLE posthorn.staged_message (
  -- Of the transaction, not of a savepoint.
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  position bigint NOT NULL,
  application_key bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  event_id text COLLATE "C",
  event_type text COLLATE "C" NOT NULL,
  -- What endpoints ask for when they want it.
  event_types text[] NOT NULL,
  channels text[],
  tags text[],
  deliver_at bigint,
  expires_at bigint,
  payload_until bigint,
  ordering_key text COLLATE "C",
  created_at bigint NOT NULL,
  payload text NOT NULL,
  -- It is a message by now, and left to a node: see accept_all.
  accepted boolean NOT NULL DEFAULT false,
  PRIMARY KEY (xid, position)
);
-- Of two transactions that publish the same event at once, the second one waits here for the end of the first.
CREATE UNIQUE INDEX staged_event_id ON posthorn.staged_message (application_key, event_id) WHERE event_id IS NOT NULL;
-- Nearly all rows go with the transaction that they came in.
ALTER TABLE posthorn.staged_message SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE FUNCTION posthorn.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

-- The last `digits` digits of a number to the base 62.
CREATE FUNCTION posthorn.base62(number numeric, digits integer) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  alphabet CONSTANT text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  -- Nine digits at a time: they fit into a bigint, which is divided faster.
  nine_digits CONSTANT bigint := 13537086546263552;
  written text := '';
  rest bigint;
BEGIN
  FOR place IN 0 .. digits - 1 LOOP
    IF place % 9 = 0 THEN
      rest := number % nine_digits;
      number := div(number, nine_digits);
    END IF;
    written := substr(alphabet, (rest % 62)::integer + 1, 1) || written;
    rest := rest / 62;
  END LOOP;
  RETURN written;
END
$$;

-- An id as model/id.ts makes it: 27 digits for 32 bits of seconds, 8 bits of 4 ms and 120 that tell apart what is of the same 4 ms.
-- Those begin here with 32 bits of the position, so that ids ascend as the calls came; the others are random.
CREATE FUNCTION posthorn.message_id(at_ms bigint, "position" bigint) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  since_ms CONSTANT bigint := at_ms - 1400000000000;
  slot CONSTANT bigint := (since_ms / 1000) * 256 + since_ms % 1000 / 4;
  -- Six and five bytes of a UUID: those between them tell of which kind it is.
  random CONSTANT bytea := uuid_send(gen_random_uuid());
  one CONSTANT bigint := ('x' || encode(substr(random, 1, 6), 'hex'))::bit(48)::bigint;
  other CONSTANT bigint := ('x' || encode(substr(random, 10, 5), 'hex'))::bit(40)::bigint;
BEGIN
  RETURN 'msg_' || posthorn.base62(
    ((slot * 4294967296::numeric + "position" % 4294967296) * 281474976710656 + one) * 1099511627776 + other, 27);
END
$$;

-- Why a call is refused: an SQLSTATE, the parameter that is at fault, what is wrong with it, and what to do about that.
CREATE TYPE posthorn.publish_fault AS (code text, field text, message text, hint text);

CREATE FUNCTION posthorn.fault(wrong boolean, code text, field text, message text, hint text) RETURNS posthorn.publish_fault
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN wrong THEN (code, field, message, hint)::posthorn.publish_fault END
$$;

CREATE FUNCTION posthorn.refuse(fault posthorn.publish_fault) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF fault.hint IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = fault.code, COLUMN = fault.field, MESSAGE = fault.message;
  END IF;
  RAISE EXCEPTION USING ERRCODE = fault.code, COLUMN = fault.field, MESSAGE = fault.message, HINT = fault.hint;
END
$$;

CREATE FUNCTION posthorn.fault_of_words(field text, words text[], fewest integer, most integer) RETURNS posthorn.publish_fault
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  word text;
BEGIN
  IF array_ndims(words) > 1 OR cardinality(words) NOT BETWEEN fewest AND most THEN
    RETURN posthorn.fault(true, '22023', field, format('%s must be %s to %s words', field, fewest, most), NULL);
  END IF;
  FOREACH word IN ARRAY coalesce(words, '{}') LOOP
    IF (word ~ '^[a-zA-Z0-9_.-]+$' AND length(word) <= 256) IS NOT TRUE THEN
      RETURN posthorn.fault(true, '22023', field,
        format('%s must be 1 to 256 of the characters a-z, A-Z, 0-9, "-", "_" and "."', field), NULL);
    END IF;
  END LOOP;
  RETURN NULL;
END
$$;

CREATE FUNCTION posthorn.fault_of_payload(payload text) RETURNS posthorn.publish_fault LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  detail text;
BEGIN
  IF octet_length(payload) > 2097152 THEN
    RETURN posthorn.fault(true, '54000', 'payload', 'A payload may have at most 2097152 bytes.', NULL);
  END IF;
  RETURN posthorn.fault(json_typeof(payload::json) <> 'object', '22023', 'payload', 'payload must be a JSON object', NULL);
EXCEPTION
  WHEN invalid_text_representation OR untranslatable_character THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN posthorn.fault(true, '22023', 'payload', 'payload must be a JSON object: ' || detail, NULL);
  WHEN statement_too_complex THEN
    RETURN posthorn.fault(true, '54000', 'payload', 'payload is nested too deeply',
      'How deep it may be depends on max_stack_depth of the server.');
END
$$;

-- A live application, by its id, else its uid, else its number.
CREATE FUNCTION posthorn.application_named(ref text) RETURNS posthorn.application LANGUAGE plpgsql STABLE AS $$
DECLARE
  found_application posthorn.application;
BEGIN
  SELECT * INTO found_application FROM posthorn.application a
  WHERE a.deleted_at IS NULL AND (a.id = ref OR a.uid = ref
    OR (a.number > 0 AND a.number = CASE WHEN ref ~ '^[1-9][0-9]{0,14}$' THEN ref::bigint END))
  ORDER BY CASE ref WHEN a.id THEN 0 WHEN a.uid THEN 1 ELSE 2 END LIMIT 1;
  RETURN found_application;
END
$$;

-- When it is delivered, when that is not worth it any more, and when its payload is forgotten; in ms.
CREATE FUNCTION posthorn.message_times(
  now bigint, deliver_at timestamptz, expires_at timestamptz, retention_days integer, retention_hours integer,
  OUT deliver_ms bigint, OUT expires_ms bigint, OUT payload_until bigint, OUT fault posthorn.publish_fault
) LANGUAGE plpgsql STABLE AS $$
DECLARE
  day_ms CONSTANT bigint := 86400000;
  kept_ms CONSTANT bigint := coalesce(retention_hours * 3600000::bigint, retention_days * day_ms);
BEGIN
  IF isfinite(deliver_at) THEN deliver_ms := floor(extract(epoch FROM deliver_at) * 1000); END IF;
  IF isfinite(expires_at) THEN expires_ms := floor(extract(epoch FROM expires_at) * 1000); END IF;
  -- A time that is over means at once.
  IF deliver_ms <= now THEN deliver_ms := NULL; END IF;
  IF kept_ms < 90 * day_ms THEN payload_until := now + kept_ms; END IF;
  fault := coalesce(
    posthorn.fault(retention_days NOT BETWEEN 5 AND 90, '22023', 'payload_retention_period',
      'payload_retention_period must be 5 to 90 days', NULL),
    posthorn.fault(retention_hours NOT BETWEEN 1 AND 2160, '22023', 'payload_retention_hours',
      'payload_retention_hours must be 1 to 2160 hours', NULL),
    posthorn.fault(retention_hours IS NOT NULL AND retention_days IS NOT NULL, '22023', 'payload_retention_hours',
      'payload_retention_hours must not be given beside payload_retention_period', NULL),
    posthorn.fault(NOT isfinite(deliver_at) OR deliver_ms > now + 30 * day_ms, '22023', 'deliver_at',
      'deliver_at must be at most 30 days from now', NULL),
    posthorn.fault(deliver_ms >= payload_until, '22023', 'deliver_at',
      'deliver_at must be before the time of the payload is over', NULL),
    posthorn.fault(expires_ms <= now, '22023', 'expires_at', 'expires_at must be later than now', NULL),
    posthorn.fault(expires_ms <= deliver_ms, '22023', 'expires_at', 'expires_at must be later than deliver_at', NULL),
    posthorn.fault(NOT isfinite(expires_at) OR expires_ms > now + 90 * day_ms, '22023', 'expires_at',
      'expires_at must be at most 90 days from now', NULL));
END
$$;

-- The event type, and all that it begins with: `ticket.created` is asked for by that name, and as `ticket.*`.
CREATE FUNCTION posthorn.wanted_as(event_type text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  names text[] := ARRAY[event_type];
  "begin" text := '';
  part text;
BEGIN
  FOREACH part IN ARRAY trim_array(string_to_array(event_type, '.'), 1) LOOP
    "begin" := "begin" || part || '.';
    names := names || ("begin" || '*');
  END LOOP;
  RETURN names;
END
$$;

CREATE FUNCTION posthorn.distinct_words(words text[]) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  kept text[] := '{}';
  word text;
BEGIN
  IF cardinality(words) > 1 IS NOT TRUE THEN
    RETURN words;
  END IF;
  FOREACH word IN ARRAY words LOOP
    IF word <> ALL (kept) THEN
      kept := kept || word;
    END IF;
  END LOOP;
  RETURN kept;
END
$$;

CREATE FUNCTION posthorn.fault_of_event_id(event_id text) RETURNS posthorn.publish_fault LANGUAGE sql IMMUTABLE AS $$
  SELECT posthorn.fault(true, '23505', 'event_id', format('A message with the eventId %s already exists.', to_json(event_id)),
    'It was published before, or twice in this transaction.')
$$;

-- Whether there is a message of this event already, other than the one that is staged here.
CREATE FUNCTION posthorn.is_published(application_key bigint, event_id text, "position" bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM posthorn.event_id e WHERE e.application_key = $1 AND e.event_id = $2)
    AND EXISTS (SELECT FROM posthorn.staged_message s WHERE s.xid = pg_current_xact_id() AND s.position = $3)
$$;

-- The fan-out, as src/fanout has it: endpoints that want a message, why they take nothing now (NULL: they do), and what it is
-- ordered by.
CREATE FUNCTION posthorn.wanting(message posthorn.staged_message)
RETURNS TABLE (endpoint_key bigint, held text, order_key text) LANGUAGE sql STABLE AS $$
  SELECT e.endpoint_key,
    CASE WHEN e.disabled = 1 THEN 'endpoint_disabled' WHEN e.paused_at IS NOT NULL THEN 'endpoint_paused' END,
    CASE e.ordering WHEN 'endpoint' THEN '' WHEN 'key' THEN message.ordering_key END
  FROM posthorn.endpoint e
  WHERE e.application_key = message.application_key AND e.deleted_at IS NULL
    AND (e.event_types IS NULL OR e.event_types::jsonb ?| message.event_types)
    AND (e.channels IS NULL OR e.channels::jsonb ?| message.channels)
$$;

-- Makes a message of a staged one. `sees_lines`: their locks are held, and whoever stands in them is seen; without, what is ordered
-- gets no time here. Returns the endpoints for which something waits, and when it is due.
CREATE FUNCTION posthorn.accept_message(
  message posthorn.staged_message, sees_lines boolean, OUT endpoint_keys bigint[], OUT due_times bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
  now CONSTANT bigint := posthorn.now_ms();
  deliver_ms CONSTANT bigint := CASE WHEN message.deliver_at > now THEN message.deliver_at END;
  key bigint;
BEGIN
  INSERT INTO posthorn.message (application_key, created_at, deliver_at, expires_at, payload_until, id, event_id, event_type,
    channels, tags, ordering_key, payload)
  VALUES (message.application_key, message.created_at, deliver_ms, message.expires_at, message.payload_until, message.id,
    message.event_id, message.event_type, array_to_json(message.channels), array_to_json(message.tags), message.ordering_key,
    message.payload)
  RETURNING message_key INTO key;
  IF message.event_id IS NOT NULL THEN
    INSERT INTO posthorn.event_id (application_key, event_id, message_key)
    VALUES (message.application_key, message.event_id, key) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
      PERFORM posthorn.refuse(posthorn.fault_of_event_id(message.event_id));
    END IF;
  END IF;
  IF message.expires_at IS NOT NULL THEN
    INSERT INTO posthorn.expiry (expires_at, application_key, message_key)
    VALUES (message.expires_at, message.application_key, key);
  END IF;
  WITH made AS (
    INSERT INTO posthorn.delivery (application_key, message_key, endpoint_key, state, attempt_count, fence, next_attempt_at, reason,
      order_key)
    SELECT message.application_key, key, w.endpoint_key, CASE WHEN w.held IS NULL THEN 0 ELSE 4 END, 0, 0,
      CASE WHEN w.held IS NULL AND (w.order_key IS NULL OR sees_lines AND NOT EXISTS (
        SELECT FROM posthorn.delivery d WHERE d.application_key = message.application_key AND d.endpoint_key = w.endpoint_key
          AND d.order_key = w.order_key AND d.state IN (0, 1, 3, 4))) THEN coalesce(deliver_ms, now) END,
      w.held, w.order_key
    FROM posthorn.wanting(message) AS w
    RETURNING endpoint_key, next_attempt_at
  )
  SELECT array_agg(m.endpoint_key), array_agg(m.next_attempt_at) INTO endpoint_keys, due_times
  FROM made m WHERE m.next_attempt_at IS NOT NULL;
END
$$;

-- When a publisher's transaction last notified, in ms; of all of them, as it is no part of any.
CREATE SEQUENCE posthorn.publisher_notified;

-- Whether nodes look for signals of publishers, without being notified: they do for 1 s after they found one (PUBLISHER_SIGNALS_MS).
-- Half of that is left for this transaction's commit. SERIALIZABLE ones do not ask: to read here would be a conflict with all others
-- that write.
CREATE FUNCTION posthorn.nodes_look() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  since CONSTANT timestamptz := clock_timestamp() - interval '500 ms';
BEGIN
  RETURN current_setting('transaction_isolation') <> 'serializable' AND EXISTS (
    SELECT FROM posthorn.signal s WHERE s.created_at > since AND s.epoch = 0 AND s.xid <> pg_current_xact_id());
END
$$;

-- Tells all nodes, as signal_send does. But commits that notify wait for each other, all over the server: 16 connections published
-- 350 messages a second when each notified, and 1,500 as it is. Only one each 10 ms does (PUBLISHER_SIGNALS_MS); for what the others
-- told, nodes look. That one notified does not say that it was committed: what is committed, and was found, does.
CREATE FUNCTION posthorn.tell(body text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO posthorn.signal (epoch, body) VALUES (0, tell.body);
  IF posthorn.now_ms() - coalesce(pg_sequence_last_value('posthorn.publisher_notified'), 0) NOT BETWEEN 0 AND 10
    OR NOT posthorn.nodes_look() THEN
    PERFORM setval('posthorn.publisher_notified', posthorn.now_ms());
    PERFORM pg_notify('posthorn', '0');
  END IF;
END
$$;

-- Of each endpoint its soonest time.
CREATE FUNCTION posthorn.soonest(INOUT endpoint_keys bigint[], INOUT due_times bigint[]) LANGUAGE sql IMMUTABLE AS $$
  SELECT array_agg(each.key), array_agg(each.due)
  FROM (SELECT u.key, min(u.due) AS due FROM unnest(endpoint_keys, due_times) AS u (key, due) GROUP BY u.key) AS each
$$;

-- Tells all nodes what waits for which endpoint. Of very many they rather look at everything, as they do among themselves.
CREATE FUNCTION posthorn.tell_stored(endpoint_keys bigint[], due_times bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  endpoints CONSTANT jsonb := (
    SELECT jsonb_agg(jsonb_build_object('endpointKey', e.key, 'dueAt', e.due)) FROM (
      SELECT u.key, min(u.due) AS due FROM unnest(endpoint_keys, due_times) AS u (key, due) GROUP BY u.key) AS e);
BEGIN
  IF jsonb_array_length(endpoints) > 500 THEN
    PERFORM posthorn.tell('[{"kind":"look"}]');
  ELSIF endpoints IS NOT NULL THEN
    PERFORM posthorn.tell(jsonb_build_array(jsonb_build_object('kind', 'stored', 'endpoints', endpoints))::text);
  END IF;
END
$$;

-- Counts what the transaction has staged, in rows of this connection: no other publisher's commit is waited for.
CREATE FUNCTION posthorn.tally_accepted(own xid8, first bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  minute CONSTANT bigint := posthorn.now_ms() - posthorn.now_ms() % 60000;
BEGIN
  INSERT INTO posthorn.minute_tally AS t (began_at, application_key, endpoint_key, writer, accepted)
  SELECT minute, staged.application_key, 0, pg_backend_pid(), staged.count
  FROM (
    SELECT coalesce(s.application_key, 0) AS application_key, count(*) AS count FROM posthorn.staged_message s
    WHERE s.xid = own AND s.position >= first GROUP BY ROLLUP (s.application_key)) AS staged
  WHERE staged.count > 0
  ON CONFLICT (application_key, endpoint_key, began_at, writer) DO UPDATE SET accepted = t.accepted + excluded.accepted;
END
$$;

-- All that the transaction has staged, at once. Until its end the endpoints of these applications stay as they are, and nobody else
-- changes the lines: their locks are taken before the keys, as by all who publish. Where somebody has one of them, this does not
-- wait: publishers' commits would come one by one. What is ordered then has no time, and a node gives the turn.
-- What is due is gathered in small arrays, which are copied with each message, and no further when it is too much to be told.
CREATE FUNCTION posthorn.accept_all(own xid8, first bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  message posthorn.staged_message;
  made record;
  sees_lines boolean;
  endpoint_keys bigint[];
  due_times bigint[];
  too_many boolean := false;
BEGIN
  PERFORM posthorn.stale_applications(array_agg(DISTINCT s.application_key), '{}')
  FROM posthorn.staged_message s WHERE s.xid = own AND s.position >= first;
  SELECT bool_and(posthorn.try_line(line.endpoint_key, line.order_key)) IS NOT FALSE INTO sees_lines FROM (
    SELECT DISTINCT w.endpoint_key, w.order_key FROM posthorn.staged_message s CROSS JOIN LATERAL posthorn.wanting(s) AS w
    WHERE s.xid = own AND s.position >= first AND w.order_key IS NOT NULL) AS line;
  FOR message IN
    SELECT * FROM posthorn.staged_message s WHERE s.xid = own AND s.position >= first ORDER BY s.position
  LOOP
    made := posthorn.accept_message(message, sees_lines);
    CONTINUE WHEN too_many;
    endpoint_keys := endpoint_keys || made.endpoint_keys;
    due_times := due_times || made.due_times;
    IF cardinality(endpoint_keys) > 1000 THEN
      SELECT * INTO endpoint_keys, due_times FROM posthorn.soonest(endpoint_keys, due_times);
      too_many := cardinality(endpoint_keys) > 500;
    END IF;
  END LOOP;
  PERFORM posthorn.tally_accepted(own, first);
  IF sees_lines THEN
    DELETE FROM posthorn.staged_message s WHERE s.xid = own AND s.position >= first;
  ELSE
    UPDATE posthorn.staged_message s SET accepted = true WHERE s.xid = own AND s.position >= first;
    PERFORM posthorn.tell('[{"kind":"staged"}]');
  END IF;
  PERFORM posthorn.tell_stored(endpoint_keys, due_times);
END
$$;

-- At the commit, for each staged message; the first one takes the others along.
--
-- With one snapshot for the whole transaction (REPEATABLE READ, SERIALIZABLE), an endpoint that was changed since then fails it
-- (40001), as any row would: its application's was changed with it. Who stands in a line cannot be seen, so that a node gives the
-- turn. Rows are left to that node: to find them by an index would be a conflict with others that are SERIALIZABLE.
CREATE FUNCTION posthorn.accept_staged() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
  made record;
BEGIN
  IF current_setting('transaction_isolation') NOT LIKE 'read %' THEN
    PERFORM FROM posthorn.application a WHERE a.application_key = NEW.application_key FOR SHARE;
    made := posthorn.accept_message(NEW, false);
    -- Once for all of the transaction, or of a savepoint that is taken back.
    IF current_setting('posthorn.told_staged', true) IS DISTINCT FROM NEW.xid::text THEN
      PERFORM set_config('posthorn.told_staged', NEW.xid::text, true);
      PERFORM posthorn.tell('[{"kind":"staged"}]');
    END IF;
    PERFORM posthorn.tell_stored(made.endpoint_keys, made.due_times);
  ELSIF EXISTS (SELECT FROM posthorn.staged_message s WHERE s.xid = NEW.xid AND s.position = NEW.position AND NOT s.accepted) THEN
    PERFORM posthorn.accept_all(NEW.xid, NEW.position);
  END IF;
  RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER accept_staged AFTER INSERT ON posthorn.staged_message
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION posthorn.accept_staged();

-- Publishes a message to an application; the parameters are those of the HTTP API. Returns its id. `payload`: the text of a JSON
-- object, kept to the byte.
CREATE FUNCTION posthorn.publish(
  application text, event_type text, payload text, event_id text DEFAULT NULL, channels text[] DEFAULT NULL,
  tags text[] DEFAULT NULL, deliver_at timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL,
  ordering_key text DEFAULT NULL, payload_retention_period integer DEFAULT NULL, payload_retention_hours integer DEFAULT NULL
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  now CONSTANT bigint := posthorn.now_ms();
  "position" CONSTANT bigint := nextval('posthorn.staged_position');
  id CONSTANT text := posthorn.message_id(now, "position");
  found_application CONSTANT posthorn.application := posthorn.application_named(application);
  validation CONSTANT text := (SELECT t.validation FROM posthorn.event_type t WHERE t.name = publish.event_type);
  times record;
  fault posthorn.publish_fault;
BEGIN
  times := posthorn.message_times(now, deliver_at, expires_at, payload_retention_period, payload_retention_hours);
  fault := coalesce(
    posthorn.fault(application IS NULL, '22023', 'application', 'application must be given', NULL),
    posthorn.fault(event_type IS NULL, '22023', 'event_type', 'event_type must be given', NULL),
    posthorn.fault(payload IS NULL, '22023', 'payload', 'payload must be given', NULL),
    posthorn.fault_of_words('event_type', ARRAY[event_type], 1, 1),
    posthorn.fault_of_words('event_id', CASE WHEN event_id IS NOT NULL THEN ARRAY[event_id] END, 1, 1),
    posthorn.fault(starts_with(event_id, 'msg_'), '22023', 'event_id', 'event_id must not begin with msg_', NULL),
    posthorn.fault_of_words('channels', channels, 1, 5),
    posthorn.fault_of_words('tags', tags, 0, 5),
    posthorn.fault(length(ordering_key) NOT BETWEEN 1 AND 256, '22023', 'ordering_key',
      'ordering_key must be 1 to 256 characters', NULL),
    posthorn.fault_of_payload(payload),
    times.fault,
    posthorn.fault(found_application.application_key IS NULL, 'P0002', 'application',
      format('There is no application %s.', to_json(left(application, 100))),
      'It is named by its id (app_…), its uid, or its number as text.'),
    posthorn.fault(found_application.number = 0, '55000', 'application',
      'This is the application of the operational webhooks.',
      'It gets what Posthorn itself tells operators, and nothing else: publish into an application of a company.'),
    posthorn.fault(validation = 'reject', '0A000', 'event_type',
      format('Payloads of %s are checked by its schema, which cannot be done here.', to_json(event_type)),
      'Publish it through the HTTP API, or let the validation of the event type warn instead of reject.'),
    posthorn.fault(current_setting('session_replication_role') = 'replica', '0A000', 'application',
      'Nothing can be published while session_replication_role is replica.', 'No trigger would make a message of it.'));
  IF fault.code IS NULL THEN
    INSERT INTO posthorn.staged_message (position, application_key, id, event_id, event_type, event_types, channels, tags,
      deliver_at, expires_at, payload_until, ordering_key, created_at, payload)
    VALUES ("position", found_application.application_key, id, publish.event_id, publish.event_type,
      posthorn.wanted_as(publish.event_type), posthorn.distinct_words(publish.channels), posthorn.distinct_words(publish.tags),
      times.deliver_ms, times.expires_ms, times.payload_until, publish.ordering_key, now, publish.payload)
    ON CONFLICT (application_key, event_id) WHERE event_id IS NOT NULL DO NOTHING;
    -- Looked for after that: one that another transaction was about to commit is seen after the wait for it.
    IF publish.event_id IS NOT NULL
      AND (NOT FOUND OR posthorn.is_published(found_application.application_key, publish.event_id, "position")) THEN
      fault := posthorn.fault_of_event_id(publish.event_id);
    END IF;
  END IF;
  IF fault.code IS NOT NULL THEN
    PERFORM posthorn.refuse(fault);
  END IF;
  RETURN id;
END
$$;

CREATE FUNCTION posthorn.publish(
  application text, event_type text, payload json, event_id text DEFAULT NULL, channels text[] DEFAULT NULL,
  tags text[] DEFAULT NULL, deliver_at timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL,
  ordering_key text DEFAULT NULL, payload_retention_period integer DEFAULT NULL, payload_retention_hours integer DEFAULT NULL
) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT posthorn.publish(application, event_type, payload::text, event_id, channels, tags, deliver_at, expires_at, ordering_key,
    payload_retention_period, payload_retention_hours)
$$;

CREATE FUNCTION posthorn.publish(
  application text, event_type text, payload jsonb, event_id text DEFAULT NULL, channels text[] DEFAULT NULL,
  tags text[] DEFAULT NULL, deliver_at timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL,
  ordering_key text DEFAULT NULL, payload_retention_period integer DEFAULT NULL, payload_retention_hours integer DEFAULT NULL
) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT posthorn.publish(application, event_type, payload::text, event_id, channels, tags, deliver_at, expires_at, ordering_key,
    payload_retention_period, payload_retention_hours)
$$;

-- Lets a role publish, and nothing else. Only the owner can grant it.
CREATE FUNCTION posthorn.grant_publisher(role name) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  publishing regprocedure;
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA posthorn TO %I', role);
  FOR publishing IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'posthorn'::regnamespace AND p.proname = 'publish' LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', publishing, role);
  END LOOP;
END
$$;

-- Of migration 001, too.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA posthorn FROM PUBLIC;
