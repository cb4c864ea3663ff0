// `npm run hell`: opens the receivers from hell on loopback, so that web hooks can be pointed at them.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { columns } from '../../bench/table.ts';
import { flagsOf, refuse } from '../../bench/usage.ts';
import { shortText, withTables } from './page.ts';
import { receivers } from './receivers.ts';
import { startHell } from './server.ts';

const usage = `Usage: npm run hell -- [options]

Opens every receiver from hell on a loopback port of its own, prints the URLs, and then each request that it gets.

Options:
  --port N       the port of the first, the others follow (7700)
  --drip MS      between two bytes of those that are slow (1000)
  --docs         only writes the tables in docs/reliability.md again
  --help         this text`;

const { port, drip, docs } = flagsOf(
  {
    options: {
      port: { type: 'string', default: '7700' },
      drip: { type: 'string', default: '1000' },
      docs: { type: 'boolean', default: false },
    },
  },
  usage,
);

if (docs) writeTables();
else await open(within('--port', port, 65_536 - receivers.length), within('--drip', drip, 3_600_000));

function within(flag: string, text: string, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  return refuse(`${flag} "${text}" is not a number from 1 to ${most}.`, usage);
}

function writeTables(): void {
  const page = join(import.meta.dirname, '../../docs/reliability.md');
  writeFileSync(page, withTables(readFileSync(page, 'utf8')));
  console.log(`Wrote the tables in ${page}`);
}

async function open(firstPort: number, dripMs: number): Promise<void> {
  const hell = await startHell(receivers, {
    port: firstPort,
    dripMs,
    told: ({ receiver }, what) => console.log(`${new Date().toISOString()}  ${receiver.name}: ${what}`),
  });
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-hell-'));
  const authority = join(folder, 'authority.pem');
  writeFileSync(authority, hell.authority);
  const rows = hell.receivers.map(({ receiver, url }) => [url, receiver.does, shortText(receiver)]);
  console.log(columns([['URL', 'what it does', 'what Posthorn does'], ...rows]));
  console.log(`
Start Posthorn so that it trusts the authority of the certificates; else all https fails in the same way:
  NODE_EXTRA_CA_CERTS=${authority} npm start
Names under hell.test are known to the name server ${hell.nameServer.address} (UDP) only.
Ctrl-C ends it.
`);
  const end = () => {
    rmSync(folder, { recursive: true, force: true });
    void hell.close();
  };
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
}
