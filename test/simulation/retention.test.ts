import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import type { Application } from '../../src/model/application.ts';
import { ManualClock, seededRandom } from '../helpers/manual-clock.ts';
import { Process } from './process.ts';
import { type Manner, Receivers } from './receivers.ts';

const seeds = (process.env.POSTHORN_SIMULATION_SEEDS ?? '1,2,3').split(',').map(Number);
const MANNERS: Manner[] = ['works', 'slow', 'fails often', 'always fails', 'hangs'];
const KEEP_MS = 3 * 60_000;
const OPEN = 'stays.open';

interface Acknowledged {
  readonly id: string;
  readonly at: number;
  /** It goes to the endpoint that is disabled, too. */
  readonly isOpen: boolean;
}

/** What of this is not in the store with its payload. */
async function missing(process: Process, { key }: Application, messages: readonly Acknowledged[]) {
  const found: string[] = [];
  for (const { id } of messages) {
    const message = await process.store.messageFind({ applicationKey: key, ref: id });
    if (message?.payload === '{}') found.push(id);
  }
  return messages.map(({ id }) => id).filter((id) => !found.includes(id));
}

async function simulate(seed: number, folder: string) {
  const clock = new ManualClock();
  const random = seededRandom(seed);
  const receivers = new Receivers(clock, random);
  const world = { folder, clock, receivers, keepMs: KEEP_MS };
  let running = await Process.start({ ...world, seed: seed * 1_000 });
  const application = await running.application();
  for (const [index, manner] of MANNERS.entries()) {
    const href = `http://receiver-${index}.example.com/`;
    receivers.manners.set(href, manner);
    await running.endpoint(application, href);
  }
  const disabled = { disabled: true, eventTypes: [OPEN] };
  await running.endpoint(application, 'http://nobody.example.com/', null, disabled);
  const acknowledged: Acknowledged[] = [];
  const publish = async () => {
    const isOpen = random.fraction() < 0.1;
    const fields = isOpen ? { eventType: OPEN } : {};
    const at = clock.now();
    const id = await running.publish(application, '{}', fields);
    if (id !== null) acknowledged.push({ id, at, isOpen });
  };
  for (let step = 0; step < 30; step++) {
    for (let count = Math.floor(random.fraction() * 12); count > 0; count--) void publish();
    await clock.advance(Math.floor(random.fraction() * 20_000));
    if (random.fraction() < 0.1) {
      await running.kill();
      running = await Process.start({ ...world, seed: seed * 1_000 + step + 1 });
    }
    const kept = acknowledged.filter(({ at, isOpen }) => isOpen || at >= clock.now() - KEEP_MS);
    expect(await missing(running, application, kept), `seed ${seed}, step ${step}`).toEqual([]);
  }
  receivers.faulty = false;
  // Breakers find out; and a process that starts looks at all that was left because it was open.
  await clock.advance(8 * 60_000);
  await running.kill();
  running = await Process.start({ ...world, seed });
  await clock.advance(KEEP_MS + 60_000);
  const end = acknowledged.length;
  for (let count = 0; count < 5; count++) void publish();
  await clock.advance(2 * 60_000);
  return { running, application, acknowledged, receivers, end };
}

describe('retention beside publishes, deliveries and crashes', () => {
  it.each(seeds)('seed %i: forgets what is old and ended, and nothing else', async (seed) => {
    const folder = await mkdtemp(join(tmpdir(), 'posthorn-retention-'));
    const { running, application, acknowledged, receivers, end } = await simulate(seed, folder);
    try {
      const kept = acknowledged.filter(({ isOpen }, index) => isOpen || index >= end);
      const gone = acknowledged.filter((each) => !kept.includes(each));
      expect(gone.length).toBeGreaterThan(100);
      expect(await missing(running, application, kept)).toEqual([]);
      expect(await missing(running, application, gone)).toEqual(gone.map(({ id }) => id));
      const arrived = new Set(receivers.hits.map(({ messageId, href }) => `${messageId} ${href}`));
      for (const { id } of acknowledged) {
        expect(arrived.has(`${id} http://receiver-0.example.com/`), `${id} was sent`).toBe(true);
      }
    } finally {
      await running.kill();
    }
    const file = new Database(join(folder, 'posthorn.db'), { readonly: true });
    for (const table of ['delivery', 'attempt', 'resend']) {
      const orphans = `SELECT count(*) FROM ${table} WHERE message_key NOT IN (SELECT message_key FROM message)`;
      expect([table, file.prepare(orphans).pluck().get()]).toEqual([table, 0]);
    }
    file.close();
    await rm(folder, { recursive: true });
  });
});
