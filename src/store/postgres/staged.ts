import type { Timer } from '../../model/clock.ts';
import type { Line } from '../line.ts';
import { acceptedTallies } from '../rows/tally-batch.ts';
import type { Signal } from '../store.ts';
import { bigints, texts } from './arrays.ts';
import type { Backend } from './backend.ts';
import { type Executor, statement } from './connection.ts';
import { advanceLines } from './lines.ts';
import { tally } from './tallies.ts';

type Told = (signals: readonly Signal[]) => void;
interface Staged {
  xid: string;
  position: number;
  applicationKey: number;
  id: string;
}

/** Rows in one transaction. */
const STEP = 500;
const AGAIN_MS = 1_000;

const LEFT = statement(
  `SELECT xid::text AS xid, position, application_key AS "applicationKey", id FROM posthorn.staged_message
   ORDER BY staged_message.xid, position LIMIT $1 FOR UPDATE SKIP LOCKED`,
);
/** Those that came by a way on which no trigger runs. */
const ACCEPT = statement(
  `SELECT posthorn.accept_all(s.xid, min(s.position))
   FROM unnest($1::text[], $2::bigint[]) AS u (xid, position)
   CROSS JOIN LATERAL (SELECT s.* FROM posthorn.staged_message s WHERE s.xid = u.xid::xid8 AND s.position = u.position OFFSET 0) AS s
   WHERE NOT EXISTS (SELECT FROM posthorn.message m WHERE m.application_key = s.application_key AND m.id = s.id) GROUP BY s.xid`,
);
/** Those that are messages by a trigger that could not count them. */
const UNCOUNTED = statement(
  `SELECT s.application_key AS "applicationKey" FROM unnest($1::text[], $2::bigint[]) AS u (xid, position)
   CROSS JOIN LATERAL (SELECT s.* FROM posthorn.staged_message s WHERE s.xid = u.xid::xid8 AND s.position = u.position OFFSET 0) AS s
   WHERE NOT s.accepted AND EXISTS (SELECT FROM posthorn.message m WHERE m.application_key = s.application_key AND m.id = s.id)`,
);
const LINES = statement(
  `SELECT DISTINCT d.endpoint_key AS "endpointKey", d.order_key AS "orderKey"
   FROM unnest($1::bigint[], $2::text[]) AS s (application_key, id)
   CROSS JOIN LATERAL (SELECT m.message_key FROM posthorn.message m
     WHERE m.application_key = s.application_key AND m.id = s.id OFFSET 0) AS m
   CROSS JOIN LATERAL (SELECT d.endpoint_key, d.order_key FROM posthorn.delivery d
     WHERE d.application_key = s.application_key AND d.message_key = m.message_key
       AND d.order_key IS NOT NULL AND d.state + 0 IN (0, 1, 3, 4) OFFSET 0) AS d`,
);
const TELL = statement('SELECT posthorn.tell_stored($1::bigint[], $2::bigint[])');
const DELETE = statement(
  `DELETE FROM posthorn.staged_message WHERE ctid = ANY (ARRAY (
     SELECT s.ctid FROM unnest($1::text[], $2::bigint[]) AS done (xid, position)
     CROSS JOIN LATERAL (SELECT s.ctid FROM posthorn.staged_message s
       WHERE s.xid = done.xid::xid8 AND s.position = done.position OFFSET 0) AS s))`,
);

/**
 * What publishers' transactions leave to a node: one with a single snapshot cannot see who stands in a line, and none waits for the
 * lock of one, so that what it made for ordered endpoints waits for somebody who gives the turn (see `migrations/002-publish.sql`).
 * It says so by a signal that is of this driver alone. Whoever hears it, or may have missed it, looks.
 */
export class StagedMessages {
  readonly #backend: Backend;
  #timer: Timer | null = null;
  #looking = false;
  #again = false;
  #closed = false;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Hears what is told first, and leaves out what is for it alone. */
  hearing(told: Told): Told {
    return (signals) => {
      const others = signals.filter((signal) => !isOwn(signal));
      if (others.length < signals.length || others.some(({ kind }) => kind === 'look')) void this.#look();
      if (others.length > 0) told(others);
    };
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    this.#again = true;
    if (this.#looking) return;
    this.#looking = true;
    this.#timer?.cancel();
    try {
      while (this.#again && !this.#closed) {
        this.#again = false;
        if ((await settle(this.#backend)) === STEP) this.#again = true;
      }
    } catch {
      // The database is away, which others say.
      if (!this.#closed) this.#timer = this.#backend.clock.timer(AGAIN_MS, () => void this.#look());
    }
    this.#looking = false;
  }
}

function isOwn({ kind }: { readonly kind: string }): boolean {
  return kind === 'staged';
}

/** Gives the turns, and returns how many rows it looked at. */
function settle({ db, clock }: Backend): Promise<number> {
  return db.transaction(async (tx) => {
    const rows = await tx.rows<Staged>(LEFT, [STEP]);
    if (rows.length === 0) return 0;
    const keys = [texts(rows.map(({ xid }) => xid)), bigints(rows.map(({ position }) => position))];
    const uncounted = await tx.rows<{ applicationKey: number }>(UNCOUNTED, keys);
    await tx.rows(ACCEPT, keys);
    const due = await advanceLines(tx, await linesOf(tx, rows), clock.now());
    await Promise.all([
      tx.changes(DELETE, keys),
      tally(tx, acceptedTallies(uncounted.map(({ applicationKey }) => applicationKey)), clock.now()),
      // Without a name, so that this process hears of it, too.
      tx.rows(TELL, [
        bigints(due.map(({ endpointKey }) => endpointKey)),
        bigints(due.map(({ dueAt }) => dueAt)),
      ]),
    ]);
    return rows.length;
  });
}

function linesOf(tx: Executor, rows: readonly Staged[]): Promise<Line[]> {
  return tx.rows<Line>(LINES, [
    bigints(rows.map(({ applicationKey }) => applicationKey)),
    texts(rows.map(({ id }) => id)),
  ]);
}
