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

const PUBLISH = "SELECT posthorn.publish('1', 'ticket.created', $1::text)";
/** The bare limit: what a publisher's own table takes. */
const INSERT = 'INSERT INTO bare (payload) VALUES ($1)';

interface Mode {
  readonly name: string;
  readonly statement: string;
  readonly connections: number;
  /** Of one transaction. */
  readonly messages: number;
}

const ONE: Mode = { name: '1 connection', statement: PUBLISH, connections: 1, messages: 1 };
const FOUR: Mode = { name: '4 connections', statement: PUBLISH, connections: 4, messages: 1 };
const SIXTEEN: Mode = { name: '16 connections', statement: PUBLISH, connections: 16, messages: 1 };
const MODES: readonly Mode[] = [
  ONE,
  FOUR,
  SIXTEEN,
  { ...SIXTEEN, name: '16 connections, a row of their own instead', statement: INSERT },
  { ...FOUR, name: '4 connections, 100 messages a transaction', messages: 100 },
];

const SECONDS = { usual: 10, quick: 1 };
const ARRIVED_WITHIN_MS = 60_000;
/** The channel of Posthorn's notifications. */
const CHANNEL = 'posthorn';

/** Publishers that call `posthorn.publish` in transactions of their own. */
export const postgresPublishers: PostgresPart = {
  id: 'publishers',
  title: 'publishing in own transactions',
  meaning:
    'BEGIN, posthorn.publish with 1 KB, COMMIT, one after the other on each connection, while a node delivers to one hook; beside it an INSERT of the same into a plain table. ' +
    'What commits notifies at most every 10 ms, whoever it is',
  measure: (quick) =>
    PostgresDatabase.with(async (database) => {
      const receiver = new Child<Receiver>(new URL('./receiver.ts', import.meta.url));
      const receiverUrl = await receiver.ask('listen');
      const node = await database.startNode();
      await createHook(node.url, `${receiverUrl}/hook`);
      const seconds = quick ? SECONDS.quick : SECONDS.usual;
      await database.rows('CREATE TABLE bare (number bigserial PRIMARY KEY, payload text)');
      await measureMode({ database, receiver: receiverUrl, mode: FOUR, seconds: seconds / 5 });
      const figures: PostgresFigure[] = [];
      for (const mode of MODES)
        figures.push(...(await measureMode({ database, receiver: receiverUrl, mode, seconds })));
      await receiver.end();
      return figures;
    }),
};

async function measureMode(params: {
  database: PostgresDatabase;
  receiver: string;
  mode: Mode;
  seconds: number;
}): Promise<PostgresFigure[]> {
  const { database, receiver, mode, seconds } = params;
  const hitsBefore = await hitsOf(receiver);
  const ear = await Ear.open(database.url);
  const startedAt = monotonicMs();
  const endsAt = startedAt + seconds * 1000;
  const lines = await Promise.all(
    Array.from({ length: mode.connections }, () => commitUntil(database.url, mode, endsAt)),
  );
  const elapsedSeconds = (monotonicMs() - startedAt) / 1000;
  const times = Float64Array.from(lines.flat());
  const messages = times.length * mode.messages;
  const heard = await ear.close();
  const delivered = (await hitsOf(receiver)) - hitsBefore;
  const { p50, p99 } = quantiles(times);
  const rate = { name: `${mode.name}: messages`, value: messages / elapsedSeconds, unit: 'a second' };
  const transaction = [
    { name: `${mode.name}: a transaction`, value: p50, unit: 'ms (p50)' },
    { name: `${mode.name}: a transaction`, value: p99, unit: 'ms (p99)' },
  ];
  if (mode.statement === INSERT) return [rate, ...transaction];
  await allArrived(receiver, hitsBefore + messages);
  return [
    rate,
    { name: `${mode.name}: delivered meanwhile`, value: delivered / elapsedSeconds, unit: 'a second' },
    { name: `${mode.name}: notifications`, value: heard / elapsedSeconds, unit: 'a second' },
    ...transaction,
  ];
}

/** Returns the ms of each transaction. */
async function commitUntil(url: string, { statement, messages }: Mode, endsAt: number): Promise<number[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const times: number[] = [];
  while (monotonicMs() < endsAt) {
    const startedAt = monotonicMs();
    await client.query('BEGIN');
    for (let message = 0; message < messages; message++)
      await client.query(statement, [payloadText(message, Date.now())]);
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
