import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import type { SendJob, SendResult } from '../model/exchange.ts';
import { systemClock } from '../system/clock.ts';
import { createThreadSender, type ThreadSenderOptions } from './sender-thread.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

/** A thread that answers each job, but ends badly at a payload of `crash`, and says nothing to `hang`. */
const PROGRAM = `
import { parentPort } from 'node:worker_threads';
const targets = new Map();
parentPort.on('message', (message) => {
  if (message.kind === 'close') return parentPort.postMessage({ kind: 'closed' });
  for (const [number, target] of message.targets) targets.set(number, target);
  for (let at = 0; at < message.jobs.length; at += 8) {
    const [ref, target, , payload] = message.jobs.slice(at, at + 8);
    if (payload === 'crash') throw new Error('out of luck');
    if (payload === 'exit') process.exit(3);
    if (payload === 'bug') parentPort.postMessage({ kind: 'bug', text: 'a bug' });
    if (payload === 'hang') continue;
    if (payload === 'unsent') {
      parentPort.postMessage({ kind: 'results', results: [ref, ...Array(9).fill(null)] });
      continue;
    }
    const body = targets.get(target).href + ' ' + message.targets.length;
    parentPort.postMessage({ kind: 'results', results: [ref, 1, 2, 200, body, '', '', null, null, null] });
  }
});
`;

async function world(extra: Partial<ThreadSenderOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-thread-'));
  cleanUps.push(() => rm(folder, { recursive: true }));
  const path = join(folder, 'program.mjs');
  await writeFile(path, PROGRAM);
  const ended = new Map<number, (result: SendResult) => void>();
  const crashes: string[] = [];
  const bugs: unknown[] = [];
  const sender = createThreadSender({
    allowNetworks: [],
    signatureHeaders: 'standard',
    userAgent: 'Posthorn/test',
    clock: systemClock,
    program: pathToFileURL(path),
    onResults: (results) => {
      for (const result of results) {
        (ended.get(result.ref) as (result: SendResult) => void)(result);
        ended.delete(result.ref);
      }
    },
    onCrash: (error) => crashes.push(error.message),
    onBug: (error) => bugs.push(error),
    ...extra,
  });
  cleanUps.push(() => sender.close());
  let lastRef = 0;
  const target = { applicationKey: 1, href: 'https://a.example/', headers: {}, secrets: [] };
  const post = (...payloads: string[]) => {
    const results: Promise<SendResult>[] = [];
    const jobs = payloads.map((payload): SendJob => {
      const ref = ++lastRef;
      results.push(new Promise((resolve) => ended.set(ref, resolve)));
      return { ref, target, messageId: 'msg_1', payload, timeoutMs: 1_000, test: false, queue: null };
    });
    sender.send(jobs);
    return Promise.all(results);
  };
  return { sender, post, crashes, bugs, waiting: ended };
}

describe('a sending thread', () => {
  it('is told of a target once', async () => {
    const { post } = await world();
    expect((await post('a', 'b')).map(({ exchange }) => exchange?.body)).toEqual(
      Array(2).fill('https://a.example/ 1'),
    );
    expect((await post('c')).map(({ exchange }) => exchange?.body)).toEqual(['https://a.example/ 0']);
  });

  it.each(['crash', 'exit'])(
    'that ends by %s ends its jobs, and the next one takes over',
    async (payload) => {
      const { post, crashes, waiting } = await world();
      const [hung, fatal] = await post('hang', payload);
      for (const result of [hung, fatal]) {
        expect(result?.exchange).toMatchObject({
          status: null,
          error: {
            code: 'internal_error',
            message: expect.stringContaining('whether this one arrived is not known'),
          },
        });
      }
      expect(crashes).toEqual([payload === 'crash' ? 'out of luck' : expect.stringContaining('exit code 3')]);
      // Sent while no thread runs: it waits for the next one, which is told of the target anew.
      expect((await post('a')).map(({ exchange }) => exchange?.body)).toEqual(['https://a.example/ 1']);
      expect(waiting.size).toBe(0);
    },
  );

  it('is started again with growing delays while it crashes', async () => {
    const clock = new ManualClock();
    const { post, crashes } = await world({ clock });
    for (const delayMs of [100, 200, 400]) {
      const crashed = post('crash');
      await crashed;
      expect(clock.nextTimerAt).toBe(clock.monotonic() + delayMs);
      await clock.advance(delayMs);
    }
    expect(crashes).toHaveLength(3);
    await post('a');
    await post('crash');
    expect(clock.nextTimerAt).toBe(clock.monotonic() + 100);
  });

  it('says which requests it did not begin', async () => {
    const { post } = await world();
    const [unsent, sent] = await post('unsent', 'a');
    expect(unsent?.exchange).toBeNull();
    expect(sent?.exchange?.status).toBe(200);
  });

  it('passes on bugs', async () => {
    const { post, bugs } = await world();
    await post('bug');
    expect(bugs).toEqual([new Error('a bug')]);
  });

  it('that is closed ends what it had, and what never reached it', async () => {
    const clock = new ManualClock();
    const { sender, post } = await world({ clock });
    await post('crash');
    const stranded = post('a');
    await sender.close();
    expect((await stranded)[0]?.exchange?.error?.code).toBe('connection_closed');

    const other = await world();
    const hanging = other.post('hang');
    await other.sender.close();
    expect((await hanging)[0]?.exchange?.error?.code).toBe('connection_closed');
    await expect(other.post('a')).resolves.toMatchObject([
      { exchange: { error: { code: 'connection_closed' } } },
    ]);
  });
});
