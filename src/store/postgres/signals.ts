import type pg from 'pg';
import { PUBLISHER_SIGNALS_MS, SIGNAL_POLL_MS, SIGNALS_KEPT_MS, SIGNALS_PURGE_STEP } from '../../limits.ts';
import type { Timer } from '../../model/clock.ts';
import type { Signal } from '../store.ts';
import type { Backend } from './backend.ts';
import { type Database, type Executor, statement } from './connection.ts';

type Told = (signals: readonly Signal[]) => void;
interface Row {
  /** What this statement could see. */
  snapshot: string;
  life: string | null;
  /** Null, and all that follows: there is no signal. */
  epoch: number | null;
  body: string | null;
}

const SEND = statement('SELECT posthorn.signal_send($1, $2)');
/**
 * Exactly those that the statement before this one could not see: of transactions that began since, or were open then. By keys or
 * times, one that was given its own early and committed late would be missed. And each is looked up by itself: to go through all
 * since the oldest one that was open would be much while some transaction lasts for hours.
 */
const READ = statement(
  `SELECT now.snapshot, now.life, s.epoch, s.body
   FROM (SELECT pg_current_snapshot()::text AS snapshot, (SELECT life::text FROM posthorn.signal_life) AS life) AS now
   LEFT JOIN (
     SELECT signal_key, epoch, body FROM posthorn.signal WHERE xid >= pg_snapshot_xmax($1::pg_snapshot)
     UNION ALL
     SELECT s.* FROM pg_snapshot_xip($1::pg_snapshot) AS was_open (xid)
     CROSS JOIN LATERAL (SELECT signal_key, epoch, body FROM posthorn.signal WHERE xid = was_open.xid OFFSET 0) AS s
   ) AS s ON true
   ORDER BY s.signal_key`,
);
const BEGIN_LIFE = statement('INSERT INTO posthorn.signal_life DEFAULT VALUES ON CONFLICT DO NOTHING');
const PURGE = statement(
  `DELETE FROM posthorn.signal WHERE signal_key = ANY (ARRAY (SELECT signal_key FROM posthorn.signal
     WHERE created_at < now() - $1 * interval '1 millisecond' ORDER BY created_at LIMIT $2))`,
);

export function signalSender(self: { readonly epoch: number }) {
  return async (tx: Executor, signals: readonly Signal[]): Promise<void> => {
    if (signals.length > 0) await tx.rows(SEND, [self.epoch, JSON.stringify(signals)]);
  };
}

export async function purgeSignals(db: Database): Promise<void> {
  while ((await db.changes(PURGE, [SIGNALS_KEPT_MS, SIGNALS_PURGE_STEP])) === SIGNALS_PURGE_STEP);
}

/**
 * Hears what other processes did. A notification says that there is something, the table says what; without LISTEN (a pooler, a
 * connection that broke) the table is looked at more often.
 *
 *     begin ──► listen ──► listening ──connection lost──► polling ──► listening …
 *                             │                             │
 *                             └── a notification, or time ──┴──► read
 */
export class Signals {
  readonly #backend: Backend;
  #told: Told | null = null;
  #client: pg.Client | null = null;
  #timer: Timer | null = null;
  /** What was seen, when, and in which life of the table. */
  #snapshot: string | null = null;
  #life: string | null = null;
  #seenAt = 0;
  /** When something was last told by a publisher's own transaction: others of those may not have notified. */
  #publishedAt = Number.NEGATIVE_INFINITY;
  #epoch = 0;
  /** Others are to be told that something may have been missed; so also at the beginning, when nothing is known yet. */
  #missed = true;
  #reading: Promise<void> | null = null;
  #again = false;
  #closed = false;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** What is told from now on is heard, however long it takes until somebody listens. */
  async begin(): Promise<void> {
    await this.#take();
  }

  listen(told: Told): void {
    this.#told = told;
    this.#read();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#reading;
    // A server that does not answer would not say goodbye either.
    void this.#client?.end().catch(() => {});
  }

  #read(): void {
    if (this.#closed) return;
    this.#again = true;
    this.#timer?.cancel();
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = null;
      this.#wait();
    });
  }

  async #readAll(): Promise<void> {
    // Listening begins before the table is read: what comes in between is notified.
    await this.#connect();
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        await this.#take();
      } catch {
        // The database is away, which others say. What was missed by then is looked for when it is back.
        this.#missed = true;
      }
    }
  }

  #wait(): void {
    if (this.#closed) return;
    const { listening, polling } = SIGNAL_POLL_MS;
    const { look, lookFor } = PUBLISHER_SIGNALS_MS;
    const isUnsure = this.#client === null || this.#missed;
    const published = this.#backend.clock.monotonic() - this.#publishedAt < lookFor;
    this.#timer?.cancel();
    this.#timer = this.#backend.clock.timer(published ? look : isUnsure ? polling : listening, () => {
      // One that was lost without a word is found out by what is not answered.
      if (!published) this.#client?.query('SELECT 1').catch(() => {});
      this.#read();
    });
  }

  async #connect(): Promise<void> {
    const { db } = this.#backend;
    if (this.#client !== null || !db.listens) return;
    let client: pg.Client | null = null;
    try {
      client = await db.connect();
      const gone = () => this.#gone(client);
      client.on('error', gone).on('end', gone);
      client.on('notification', ({ payload }) => {
        if (payload !== String(this.#backend.self.epoch)) this.#read();
      });
      await client.query('LISTEN posthorn');
      if (this.#closed) throw new Error('Closed meanwhile.');
      this.#client = client;
    } catch {
      // It is tried again with the next look at the table.
      void client?.end().catch(() => {});
    }
  }

  #gone(client: pg.Client | null): void {
    if (client === null || this.#client !== client) return;
    this.#client = null;
    this.#missed = true;
    if (this.#reading === null) this.#wait();
  }

  async #take(): Promise<void> {
    const { db, self, clock } = this.#backend;
    let rows = await db.rows<Row>(READ, [this.#snapshot]);
    if (rows[0]?.life === null) {
      await db.changes(BEGIN_LIFE);
      rows = await db.rows<Row>(READ, [null]);
    }
    const [{ snapshot, life } = { snapshot: null, life: null }] = rows;
    const late = clock.monotonic() - this.#seenAt > SIGNALS_KEPT_MS / 2;
    // Until it joined, it could not tell its own signals from those of others that have no epoch.
    this.#missed ||= life !== this.#life || late || self.epoch !== this.#epoch;
    this.#epoch = self.epoch;
    this.#snapshot = snapshot;
    this.#life = life;
    this.#seenAt = clock.monotonic();
    if (rows.some(({ epoch }) => epoch === 0)) this.#publishedAt = this.#seenAt;
    if (this.#told === null) return;
    const signals = rows.flatMap(({ epoch, body }) =>
      body === null || epoch === self.epoch ? [] : (JSON.parse(body) as Signal[]),
    );
    if (this.#missed) signals.unshift({ kind: 'look' });
    this.#missed = false;
    if (signals.length > 0) this.#told(signals);
  }
}
