import pg from 'pg';
import type { Application } from '../../src/model/application.ts';
import type { Endpoint } from '../../src/model/endpoint.ts';
import { openPostgresStore } from '../../src/store/postgres/open.ts';
import type { Signal, Store } from '../../src/store/store.ts';
import { systemClock } from '../../src/system/clock.ts';
import { Given } from '../contract/world.ts';
import { type TestDatabase, testDatabase } from '../helpers/postgres.ts';

/** A delivery, as its row says. */
export interface DeliveryRow {
  readonly endpointKey: number;
  readonly state: number;
  readonly reason: string | null;
  readonly orderKey: string | null;
  readonly timed: boolean;
}

/** A database with Posthorn's schema, a node's store on it, and publishers that are connected to the same database. */
export class Scene {
  readonly database: TestDatabase;
  readonly given: Given;
  /** A connection that is in no transaction. */
  readonly observer: pg.Client;
  /** What the node was told. */
  readonly heard: Signal[] = [];
  readonly #clients: pg.Client[] = [];
  #waiting: (() => void)[] = [];

  private constructor(database: TestDatabase, store: Store) {
    this.database = database;
    this.observer = new pg.Client({ connectionString: database.url });
    const reopen = () => Promise.reject(new Error('It stays open.'));
    this.given = new Given({ store, reopen, another: reopen, dispose: () => database.dispose() });
  }

  /** `listens`: the node hears signals, and does what they ask for. */
  static async start({ listens = false }: { listens?: boolean } = {}): Promise<Scene> {
    const database = await testDatabase();
    const store = await openPostgresStore({ url: database.url, clock: systemClock });
    const scene = new Scene(database, store);
    await scene.observer.connect();
    await scene.given.join();
    if (listens) {
      store.listen((signals) => {
        scene.heard.push(...signals);
        for (const look of scene.#waiting.splice(0)) look();
      });
      await scene.hears((signals) => signals.some(({ kind }) => kind === 'look'));
    }
    return scene;
  }

  async end(): Promise<void> {
    for (const client of this.#clients) await client.end();
    await this.observer.end();
    await this.given.store.close();
    await this.database.dispose();
  }

  /** Resolves when what was heard is like that. */
  async hears(isEnough: (signals: readonly Signal[]) => boolean): Promise<void> {
    while (!isEnough(this.heard)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** A connection of a publisher. */
  async client(options: pg.ClientConfig = {}): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.database.url, ...options });
    await client.connect();
    this.#clients.push(client);
    return client;
  }

  /** An application with these endpoints. */
  async company(
    ...endpoints: Partial<Endpoint>[]
  ): Promise<{ application: Application; uid: string; endpoints: Endpoint[] }> {
    const uid = this.given.id('company');
    const application = await this.given.application({ uid });
    const made: Endpoint[] = [];
    for (const fields of endpoints) made.push(await this.given.endpoint(application.key, fields));
    return { application, uid, endpoints: made };
  }

  /** The rows of a statement, in no transaction. */
  async rows<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.observer.query<Row>(text, values)).rows;
  }

  /** All deliveries of an application, by message in the order of acceptance. */
  async deliveries(application: Application): Promise<DeliveryRow[][]> {
    const messages = await this.rows<{ key: string }>(
      'SELECT message_key AS key FROM posthorn.message WHERE application_key = $1 ORDER BY message_key',
      [application.key],
    );
    const deliveries: DeliveryRow[][] = [];
    for (const { key } of messages) deliveries.push(await this.#deliveriesOf(application, key));
    return deliveries;
  }

  async #deliveriesOf(application: Application, messageKey: string): Promise<DeliveryRow[]> {
    return this.rows<DeliveryRow & pg.QueryResultRow>(
      `SELECT endpoint_key::int AS "endpointKey", state, reason, order_key AS "orderKey", next_attempt_at IS NOT NULL AS timed
       FROM posthorn.delivery WHERE application_key = $1 AND message_key = $2 ORDER BY endpoint_key`,
      [application.key, messageKey],
    );
  }

  /** The ids of all messages, in the order of acceptance. */
  async messageIds(): Promise<string[]> {
    const rows = await this.rows<{ id: string }>(
      'SELECT id FROM posthorn.message WHERE application_key > 0 ORDER BY message_key',
    );
    return rows.map(({ id }) => id);
  }

  /** Until a node has done what transactions left to it. */
  async settled(): Promise<void> {
    while ((await this.leftovers()).staged_message !== 0);
  }

  /** How many rows there are of what publishing leads to. */
  async leftovers(): Promise<Record<string, number>> {
    const tables = ['message', 'delivery', 'event_id', 'expiry', 'staged_message'];
    const counts = tables.map(
      (table) => `(SELECT count(*)::int FROM posthorn.${table} WHERE application_key > 0) AS ${table}`,
    );
    return (await this.rows<Record<string, number>>(`SELECT ${counts.join(', ')}`))[0] as Record<
      string,
      number
    >;
  }
}

/** Whether it was refused, by the SQLSTATE. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'none';
}
