// `npm run transaction-demo`: publishing inside of the publisher's own transaction, seen from the receiver. A PostgreSQL of its own,
// a Posthorn on it, a receiver; one transaction that rolls back and one that commits, from psql and from Node.js.

import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { publish } from '../src/index.ts';
import { startPostgres } from '../test/helpers/postgres-server.ts';
import { endAfter } from './cleanup.ts';
import { freePort, OPERATOR_KEY, ServerFolder, ServerProcess } from './server-process.ts';
import { flagsOf } from './usage.ts';

flagsOf({}, 'Usage: npm run transaction-demo');
endAfter(120);

const QUIET_MS = 300;
const COMMITS = 100;

interface Arrival {
  readonly at: number;
  readonly id: string;
  readonly body: string;
}

/** What a customer has: it notes what arrives, and when. */
class Receiver {
  readonly arrivals: Arrival[] = [];
  readonly #server: Server;
  #arrived: () => void = () => {};

  constructor() {
    this.#server = createServer((request, response) => {
      const at = Date.now();
      const parts: Buffer[] = [];
      request.on('data', (part) => parts.push(part));
      request.on('end', () => {
        response.end('Thank you.');
        this.arrivals.push({
          at,
          id: String(request.headers['webhook-id']),
          body: Buffer.concat(parts).toString(),
        });
        this.#arrived();
      });
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hooks`;
  }

  async arrival(id: string): Promise<Arrival> {
    for (;;) {
      const found = this.arrivals.find((each) => each.id === id);
      if (found) return found;
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const postgres = await startPostgres({ settings: ['fsync=on', 'full_page_writes=on'] });
await postgres.create('shop');
const folder = new ServerFolder();
const env = { POSTHORN_STORE: postgres.url('shop'), POSTHORN_MASTER_KEY: randomBytes(32).toString('base64') };
const posthorn = new ServerProcess({ folder, port: await freePort(), env });
const receiver = new Receiver();
const client = new pg.Client({ connectionString: postgres.url('shop') });
try {
  await tell();
} catch (error) {
  console.error(`The end of the server's log:\n${posthorn.logEnd()}`);
  throw error;
} finally {
  await client.end();
  await posthorn.stop();
  folder.remove();
  receiver.close();
  await postgres.dispose();
}

async function tell(): Promise<void> {
  await posthorn.ready();
  await client.connect();
  await client.query('CREATE TABLE ticket (id bigint PRIMARY KEY, subject text)');
  await call('POST', '/app', { name: 'Acme', uid: 'acme' });
  await call('POST', '/app/acme/endpoint', { url: await receiver.listen() });
  const { rows } = await client.query<{ version: string }>(
    "SELECT current_setting('server_version') AS version",
  );
  say(
    `PostgreSQL ${rows[0]?.version} with the table ticket and Posthorn's schema; the company acme has one endpoint.`,
  );

  heading('psql: a transaction that rolls back');
  await inPsql(1, 'ROLLBACK');
  await outcome(null);
  heading('psql: a transaction that commits');
  await outcome(await inPsql(2, 'COMMIT'));
  heading('Node.js, publish(message, { client }): a transaction that rolls back');
  await inNode(3, 'ROLLBACK');
  await outcome(null);
  heading('Node.js, publish(message, { client }): a transaction that commits');
  await outcome(await inNode(4, 'COMMIT'));

  heading(`Node.js: ${COMMITS} transactions, one after the other`);
  const waits: number[] = [];
  for (let ticket = 5; ticket < 5 + COMMITS; ticket++) {
    const { id, at } = await inNode(ticket, 'COMMIT', { silent: true });
    waits.push((await receiver.arrival(id)).at - at);
  }
  waits.sort((one, other) => one - other);
  say(
    `  From COMMIT to the receiver, its fsync included: ${waits[COMMITS / 2]} ms (p50), ${waits.at(-1)} ms (longest).`,
  );

  heading('In the end');
  const { rows: tickets } = await client.query('SELECT id FROM ticket WHERE id < 5 ORDER BY id');
  say(`tickets 1 to 4 in the table:        ${tickets.map(({ id }) => id).join(', ')}`);
  say(`the messages that Posthorn knows:   ${few(await messages())}`);
  say(
    `what the receiver got:              ${few(receiver.arrivals.map(({ body }) => ({ payload: JSON.parse(body) })))}`,
  );
}

interface Published {
  readonly id: string;
  /** When the COMMIT was sent. */
  readonly at: number;
}

/** A transaction as a person types it. `SELECT … AS at` is the time right before its end. */
async function inPsql(ticket: number, end: 'COMMIT' | 'ROLLBACK'): Promise<Published> {
  const lines = [
    'BEGIN;',
    `INSERT INTO ticket VALUES (${ticket}, 'from psql');`,
    `SELECT posthorn.publish('acme', 'ticket.created', '{"ticket": {"id": ${ticket}}}');`,
    `${end};`,
  ];
  for (const line of lines) say(`  shop=> ${line}`);
  const at = 'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000);';
  const script = [...lines.slice(0, 3), at, ...lines.slice(3)];
  const args = ['--no-psqlrc', '--quiet', '--tuples-only', '--no-align', '--set', 'ON_ERROR_STOP=1'];
  const psql = spawnSync('psql', [...args, postgres.url('shop')], {
    input: script.join('\n'),
    encoding: 'utf8',
  });
  if (psql.error === undefined) {
    if (psql.status !== 0) throw new Error(`psql said: ${psql.stderr}`);
    const [id = '', ms] = psql.stdout.split('\n');
    return { id, at: Number(ms) };
  }
  say('  (There is no psql on this machine: the same text went over a connection of this process.)');
  const results = (await client.query(script.join('\n'))) as unknown as pg.QueryResult[];
  const [id, ms] = results.filter(({ rows }) => rows.length > 0).map(({ rows }) => Object.values(rows[0])[0]);
  return { id: String(id), at: Number(ms) };
}

async function inNode(
  ticket: number,
  end: 'COMMIT' | 'ROLLBACK',
  { silent = false }: { silent?: boolean } = {},
): Promise<Published> {
  await client.query('BEGIN');
  await client.query('INSERT INTO ticket VALUES ($1, $2)', [ticket, 'from Node.js']);
  const message = { application: 'acme', eventType: 'ticket.created', payload: { ticket: { id: ticket } } };
  const { id } = await publish(message, { client });
  if (!silent) say(`  publish returned ${id}, then ${end}`);
  const at = Date.now();
  await client.query(end);
  return { id, at };
}

async function outcome(published: Published | null): Promise<void> {
  const before = receiver.arrivals.length;
  if (published === null) {
    // Nothing can be waited for: what was committed arrives within milliseconds, as the next step shows.
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    const known = (await messages()).length;
    say(
      `  The receiver saw nothing in ${QUIET_MS} ms (${receiver.arrivals.length - before} requests), and Posthorn knows ${known} messages.`,
    );
    return;
  }
  const { at, body } = await receiver.arrival(published.id);
  say(`  The receiver saw ${body}`);
  say(`  with webhook-id ${published.id}, ${at - published.at} ms after COMMIT was sent.`);
}

async function messages(): Promise<{ payload: { ticket: { id: number } } }[]> {
  return (
    (await call('GET', '/app/acme/msg?limit=250')) as { data: { payload: { ticket: { id: number } } }[] }
  ).data.toReversed();
}

async function call(method: string, path: string, body?: object): Promise<unknown> {
  const answer = await fetch(`${posthorn.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${OPERATOR_KEY}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** Those that the story tells of, and how many others. */
function few(all: readonly { payload: { ticket: { id: number } } }[]): string {
  const ids = all.map(({ payload }) => payload.ticket.id);
  return `${ids.filter((id) => id < 5).join(', ')} (and ${ids.filter((id) => id >= 5).length} others)`;
}

function heading(text: string): void {
  say(`\n${text}`);
}

function say(text: string): void {
  console.log(text);
}
