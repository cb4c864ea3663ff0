import pg from 'pg';
import { Child } from './child.ts';
import { monotonicMs, pause } from './clock.ts';
import { Connection } from './connection.ts';
import { payloadText } from './payload.ts';
import { PostgresDatabase } from './postgres-database.ts';
import type { PostgresFigure, PostgresPart } from './postgres-part.ts';
import type { Receiver } from './receiver.ts';
import { createHook } from './server-api.ts';
import { quantiles } from './statistics.ts';

const CLIENTS = [1, 4, 16];
const SECONDS = { usual: 10, quick: 1 };
const ARRIVED_WITHIN_MS = 60_000;
/** The channel of Posthorn's notifications. */
const CHANNEL = 'posthorn';

/** Publishers that call `posthorn.publish` in transactions of their own. */
export const postgresPublishers: PostgresPart = {
  id: 'publishers',
  title: 'publishing in own transactions',
  meaning:
    'BEGIN, posthorn.publish with 1 KB, COMMIT, one after the other on each connection, while a node delivers to one hook. ' +
    'What commits notifies at most every 10 ms, whoever it is',
  measure: (quick) =>
    PostgresDatabase.with(async (database) => {
      const receiver = new Child<Receiver>(new URL('./receiver.ts', import.meta.url));
      const receiverUrl = await receiver.ask('listen');
      const node = await database.startNode();
      await createHook(node.url, `${receiverUrl}/hook`);
      const seconds = quick ? SECONDS.quick : SECONDS.usual;
      await measureClients({ database, receiver: receiverUrl, clients: 4, seconds: seconds / 5 });
      const figures: PostgresFigure[] = [];
      for (const clients of CLIENTS)
        figures.push(...(await measureClients({ database, receiver: receiverUrl, clients, seconds })));
      await receiver.end();
      return figures;
    }),
};

async function measureClients(params: {
  database: PostgresDatabase;
  receiver: string;
  clients: number;
  seconds: number;
}): Promise<PostgresFigure[]> {
  const { database, receiver, clients, seconds } = params;
  const hitsBefore = await hitsOf(receiver);
  const ear = await Ear.open(database.url);
  const startedAt = monotonicMs();
  const endsAt = startedAt + seconds * 1000;
  const lines = await Promise.all(Array.from({ length: clients }, () => publishUntil(database.url, endsAt)));
  const elapsedSeconds = (monotonicMs() - startedAt) / 1000;
  const times = Float64Array.from(lines.flat());
  const hits = (await hitsOf(receiver)) - hitsBefore;
  await allArrived(receiver, hitsBefore + times.length);
  const heard = await ear.close();
  const { p50, p99 } = quantiles(times);
  const name = clients === 1 ? '1 connection: ' : `${clients} connections: `;
  return [
    { name: `${name}published`, value: times.length / elapsedSeconds, unit: 'a second' },
    { name: `${name}delivered meanwhile`, value: hits / elapsedSeconds, unit: 'a second' },
    { name: `${name}notifications`, value: heard / elapsedSeconds, unit: 'a second' },
    { name: `${name}a transaction`, value: p50, unit: 'ms (p50)' },
    { name: `${name}a transaction`, value: p99, unit: 'ms (p99)' },
  ];
}

/** Returns the ms of each transaction. */
async function publishUntil(url: string, endsAt: number): Promise<number[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const times: number[] = [];
  while (monotonicMs() < endsAt) {
    const payload = payloadText(times.length, Date.now());
    const startedAt = monotonicMs();
    await client.query('BEGIN');
    await client.query("SELECT posthorn.publish('1', 'ticket.created', $1::text)", [payload]);
    await client.query('COMMIT');
    times.push(monotonicMs() - startedAt);
  }
  await client.end();
  return times;
}

/** A receiver that says how many it got. */
async function hitsOf(receiver: string): Promise<number> {
  const connection = await Connection.open(receiver);
  const hits = Number((await connection.get('/hits')).body);
  connection.close();
  return hits;
}

async function allArrived(receiver: string, count: number): Promise<void> {
  const givenUpAt = monotonicMs() + ARRIVED_WITHIN_MS;
  for (let hits = await hitsOf(receiver); hits < count; hits = await hitsOf(receiver)) {
    if (monotonicMs() > givenUpAt) throw new Error(`Only ${hits} of ${count} arrived.`);
    await pause(20);
  }
}

/** Counts notifications. */
class Ear {
  readonly #client: pg.Client;
  #heard = 0;

  static async open(url: string): Promise<Ear> {
    const ear = new Ear(new pg.Client({ connectionString: url }));
    await ear.#client.connect();
    await ear.#client.query(`LISTEN ${CHANNEL}`);
    return ear;
  }

  private constructor(client: pg.Client) {
    this.#client = client;
    client.on('notification', () => {
      this.#heard++;
    });
  }

  /** Returns how many came. */
  async close(): Promise<number> {
    await this.#client.end();
    return this.#heard;
  }
}
