import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { createHostsFile, parseHosts } from './hosts-file.ts';
import { createResolver, type DnsQueries, type ResolverOptions } from './resolver.ts';

type Records = { address: string; ttl: number }[];
interface Question {
  readonly name: string;
  readonly family: 4 | 6;
  answer(records: Records): void;
  fail(code: string): void;
}

/** A DNS that answers when told to. */
function world(options: Partial<ResolverOptions> = {}) {
  const clock = new ManualClock();
  const questions: Question[] = [];
  const ask = (family: 4 | 6) => (name: string) =>
    new Promise<Records>((resolve, reject) => {
      const fail = (code: string) => reject(Object.assign(new Error(code), { code }));
      questions.push({ name, family, answer: resolve, fail });
    });
  const dns: DnsQueries = { resolve4: ask(4), resolve6: ask(6) };
  const hosts = { addresses: async (name: string) => parseHosts('10.0.0.7 db.example').get(name) ?? null };
  const resolver = createResolver({ clock, dns, hosts, ...options });
  /** What came of it: addresses, or the message of the failure. */
  const resolve = (name: string) =>
    resolver.resolve(name).then(
      (all) => all.map(({ address }) => address),
      (error: Error) => error.message,
    );
  return { clock, questions, resolve };
}

const four = (address: string, ttl = 60): Records => [{ address, ttl }];

describe('the resolver', () => {
  it('asks for both families and shares one query among all who ask', async () => {
    const { clock, questions, resolve } = world();
    const all = Promise.all([resolve('a.example'), resolve('A.Example.'), resolve('a.example')]);
    await clock.settle();
    expect(questions.map(({ name, family }) => `${name} ${family}`)).toEqual(['a.example 4', 'a.example 6']);
    questions[1]?.answer(four('2606:4700::1'));
    questions[0]?.answer(four('8.8.8.8'));
    expect(await all).toEqual(Array(3).fill(['8.8.8.8', '2606:4700::1']));
  });

  it.each([
    [60, 60_000],
    [0, 1_000],
    [86_400, 300_000],
  ])('keeps an answer with a TTL of %i s for %i ms', async (ttl, keptMs) => {
    const { clock, questions, resolve } = world();
    const first = resolve('a.example');
    await clock.settle();
    questions[0]?.answer(four('8.8.8.8', ttl));
    questions[1]?.fail('ENODATA');
    await first;
    await clock.advance(keptMs - 1);
    expect(await resolve('a.example')).toEqual(['8.8.8.8']);
    expect(questions).toHaveLength(2);
    await clock.advance(1);
    void resolve('a.example');
    await clock.settle();
    expect(questions).toHaveLength(4);
  });

  it.each([
    ['ENOTFOUND', "The name a.example doesn't resolve.", 5_000],
    ['ENODATA', 'The name a.example has no address.', 5_000],
    ['ESERVFAIL', "DNS can't say where a.example is (ESERVFAIL).", 1_000],
    ['EBADNAME', 'The name a.example is not one that DNS allows.', 1_000],
  ])('remembers %s shortly', async (code, message, keptMs) => {
    const { clock, questions, resolve } = world();
    const first = resolve('a.example');
    await clock.settle();
    for (const question of questions) question.fail(code);
    expect(await first).toBe(message);
    await clock.advance(keptMs - 1);
    expect(await resolve('a.example')).toBe(message);
    expect(questions).toHaveLength(2);
    await clock.advance(1);
    void resolve('a.example');
    await clock.settle();
    expect(questions).toHaveLength(4);
  });

  it('does not wait long for the other family', async () => {
    const { clock, questions, resolve } = world();
    const asked = resolve('a.example');
    await clock.settle();
    questions[0]?.answer(four('8.8.8.8'));
    await clock.advance(300);
    expect(await asked).toEqual(['8.8.8.8']);
  });

  it('gives up after its time-out, and takes a late answer as none', async () => {
    const { clock, questions, resolve } = world({ timeoutMs: 4_000 });
    const asked = resolve('a.example');
    await clock.advance(4_000);
    expect(await asked).toBe('DNS gave no answer for a.example within 4 s.');
    for (const question of questions) question.answer(four('8.8.8.8'));
    await clock.settle();
    expect(await resolve('a.example')).toContain('DNS gave no answer');
  });

  it('asks for a bounded number of names at once', async () => {
    const { clock, questions, resolve } = world({ concurrentNames: 2 });
    const all = ['a', 'b', 'c', 'd'].map((name) => resolve(`${name}.example`));
    await clock.settle();
    expect(questions.map(({ name }) => name)).toEqual(['a.example', 'a.example', 'b.example', 'b.example']);
    for (const question of questions.slice(0, 2)) question.answer(four('8.8.8.8'));
    await clock.settle();
    expect(questions.slice(4).map(({ name }) => name)).toEqual(['c.example', 'c.example']);
    // The others run out of time; the one that never got its turn is not asked for any more.
    await clock.advance(5_000);
    for (const question of questions.slice(2)) question.fail('ETIMEOUT');
    await clock.settle();
    expect(questions).toHaveLength(6);
    expect(
      (await Promise.all(all)).slice(1).every((each) => String(each).startsWith('DNS gave no answer')),
    ).toBe(true);
  });

  it('answers localhost and the hosts file without DNS', async () => {
    const { questions, resolve } = world();
    expect(await resolve('localhost')).toEqual(['127.0.0.1', '::1']);
    expect(await resolve('app.LOCALHOST.')).toEqual(['127.0.0.1', '::1']);
    expect(await resolve('DB.example')).toEqual(['10.0.0.7']);
    expect(questions).toEqual([]);
  });
});

describe('the hosts file', () => {
  it('is read line by line', () => {
    const names = parseHosts(
      '# comment\n127.0.0.1\tlocalhost\n\n10.0.0.1 Db.Example. db # the database\r\nfd00::1 db\n10.0.0.1 db\nnonsense x\n1.2.3.4\n',
    );
    expect([...names]).toEqual([
      ['localhost', [{ address: '127.0.0.1', family: 4 }]],
      ['db.example', [{ address: '10.0.0.1', family: 4 }]],
      [
        'db',
        [
          { address: '10.0.0.1', family: 4 },
          { address: 'fd00::1', family: 6 },
        ],
      ],
    ]);
  });

  let folder = '';
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('is read again when it has changed, but not looked at all the time', async () => {
    folder = await mkdtemp(join(tmpdir(), 'posthorn-hosts-'));
    const path = join(folder, 'hosts');
    const clock = new ManualClock();
    const hosts = createHostsFile({ clock, path });
    const first = async () => (await hosts.addresses('db'))?.[0]?.address;
    expect(await first()).toBeUndefined();
    await writeFile(path, '10.0.0.1 db');
    expect(await first()).toBeUndefined();
    await clock.advance(5_000);
    expect(await first()).toBe('10.0.0.1');
    await writeFile(path, '10.0.0.2 db');
    await utimes(path, 1, 1);
    expect(await first()).toBe('10.0.0.1');
    await clock.advance(5_000);
    expect(await first()).toBe('10.0.0.2');
    await rm(path);
    await clock.advance(5_000);
    expect(await first()).toBeUndefined();
  });
});
