import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BREAKER_FAILURES, BREAKER_PROBE_MS } from '../../src/limits.ts';
import { ManualClock, seededRandom } from '../helpers/manual-clock.ts';
import { Process } from './process.ts';
import { type Hit, type Manner, Receivers } from './receivers.ts';

/** So little room that the tests below fill it. */
const LITTLE = {
  resident: 400,
  residentPerEndpoint: 100,
  residentCharacters: 64_000,
  inFlight: 100,
  ahead: 8,
  claim: 32,
};

describe('fairness', () => {
  let folder: string;
  let process: Process;
  const clock = new ManualClock();
  const receivers = new Receivers(clock, seededRandom(11));

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'posthorn-fairness-'));
    receivers.faulty = true;
    process = await Process.start({ folder, clock, seed: 11, receivers });
  });
  afterEach(async () => {
    await process.kill();
    await rm(folder, { recursive: true });
  });

  it('lets a thousand endpoints that hang delay no healthy one', async () => {
    const application = await process.application();
    const add = async (name: string, manner: Manner) => {
      const href = `http://${name}.example.com/`;
      receivers.manners.set(href, manner);
      await process.endpoint(application, href);
    };
    for (let n = 0; n < 1_000; n++) await add(`hangs-${n}`, 'hangs');
    for (let n = 0; n < 5; n++) await add(`works-${n}`, 'works');

    const published = new Map<string, number>();
    for (let round = 0; round < 10; round++) {
      void process
        .publish(application, `{"round":${round}}`)
        .then((id) => id && published.set(id, clock.now()));
      await clock.advance(300);
    }
    await clock.advance(1_000);
    expect(published.size).toBeGreaterThanOrEqual(8);
    const healthy = receivers.hits.filter((hit) => hit.href.includes('works'));
    expect(healthy).toHaveLength(published.size * 5);
    for (const hit of healthy) {
      expect(hit.startedAt - (published.get(hit.messageId) as number)).toBeLessThanOrEqual(10);
    }
  }, 60_000);

  describe('with the memory full', () => {
    beforeEach(async () => {
      await process.kill();
      process = await Process.start({ folder, clock, seed: 12, receivers, scheduleLimits: LITTLE });
    });

    it.each([
      ['one endpoint that hangs, with large payloads', 1, 300, 2_000],
      ['thirteen endpoints that hang, with small ones', 13, 200, 20],
      ['two hundred endpoints that hang', 200, 10, 200],
    ])('keeps a healthy endpoint going beside %s', async (_, hanging, each, characters) => {
      const application = await process.application();
      receivers.manners.set('http://works.example.com/', 'works');
      const other = await process.engine.registry.applicationCreate({
        uid: 'other',
        name: 'Other',
        throttleRate: null,
        metadata: {},
      });
      await process.endpoint(other, 'http://works.example.com/');
      for (let n = 0; n < hanging; n++) {
        receivers.manners.set(`http://hangs-${n}.example.com/`, 'hangs');
        await process.endpoint(application, `http://hangs-${n}.example.com/`);
      }
      // The healthy one has been used before.
      void process.publish(other, '{}');
      await clock.advance(2_000);
      receivers.hits.length = 0;
      const flood = Array.from({ length: each }, async () => {
        // The store refuses one or the other.
        while ((await process.publish(application, `{"x":"${'x'.repeat(characters)}"}`)) === null);
      });
      await clock.advance(500);
      await Promise.all(flood);
      expect(process.engine.resident).toBeGreaterThan(Math.min(hanging, LITTLE.resident / 4));

      const published = new Set<string>();
      for (let n = 0; n < 45; n++) {
        void process.publish(other, `{"n":${n}}`).then((id) => id && published.add(id));
        await clock.advance(500);
        expect(process.engine.resident).toBeLessThanOrEqual(LITTLE.resident);
      }
      await clock.advance(15_000);
      expect(published.size).toBeGreaterThan(35);
      const got = receivers.hits.filter((hit) => hit.href === 'http://works.example.com/');
      expect(got.filter((hit) => published.has(hit.messageId))).toHaveLength(published.size);
    });

    it('keeps a healthy endpoint going beside an application whose throttle lets next to nothing through', async () => {
      const slow = await process.application('slow', 1);
      const other = await process.application('other');
      for (let n = 0; n < 100; n++) await process.endpoint(slow, `http://works-${n}.example.com/`);
      await process.endpoint(other, 'http://works.example.com/');
      const flood = Array.from({ length: 20 }, (_, n) => process.publish(slow, `{"n":${n}}`));
      await clock.advance(1_000);
      await Promise.all(flood);
      expect(process.engine.resident).toBeLessThanOrEqual(LITTLE.resident / 2);

      const published = new Map<string, number>();
      for (let n = 0; n < 200; n++) {
        void process.publish(other, `{"n":${n}}`).then((id) => id && published.set(id, clock.now()));
        await clock.advance(20);
      }
      await clock.advance(1_000);
      expect(published.size).toBeGreaterThan(150);
      const got = receivers.hits.filter((hit) => published.has(hit.messageId));
      expect(got).toHaveLength(published.size);
      for (const hit of got) {
        expect(hit.startedAt - (published.get(hit.messageId) as number)).toBeLessThanOrEqual(100);
      }
    });

    it('takes up a backlog over many endpoints within its limits', async () => {
      const application = await process.application();
      receivers.faulty = false;
      for (let n = 0; n < 300; n++) await process.endpoint(application, `http://later-${n}.example.com/`);
      receivers.hits.length = 0;
      for (let n = 0; n < 10; n++) void process.publish(application, `{"n":${n}}`);
      await clock.settle();
      await process.kill();
      process = await Process.start({ folder, clock, seed: 13, receivers, scheduleLimits: LITTLE });
      for (let n = 0; n < 600; n++) {
        await clock.advance(50);
        expect(process.engine.resident).toBeLessThanOrEqual(LITTLE.resident);
      }
      expect(await process.store.deliveryCountOpen({})).toEqual({ pending: 0, sending: 0, held: 0 });
      expect(new Set(receivers.hits.map((hit) => `${hit.messageId} ${hit.href}`)).size).toBe(3_000);
    }, 60_000);
  });

  describe('beside another application that has more than it can send', () => {
    beforeEach(async () => {
      await process.kill();
      process = await Process.start({
        folder,
        clock,
        seed: 14,
        receivers,
        scheduleLimits: LITTLE,
        refused: 0,
      });
    });

    it.each<[string, { manner: Manner; endpoints: number; rate: number | null; characters: number }]>([
      ['answer late', { manner: 'answers late', endpoints: 40, rate: null, characters: 20 }],
      [
        'answer late and have a throttle',
        { manner: 'answers late', endpoints: 40, rate: 65_535, characters: 20 },
      ],
      ['have a low throttle', { manner: 'works', endpoints: 60, rate: 1, characters: 20 }],
      [
        'have a low throttle and large payloads',
        { manner: 'works', endpoints: 8, rate: 1, characters: 3_500 },
      ],
      [
        'answer late, with large payloads',
        { manner: 'answers late', endpoints: 20, rate: null, characters: 3_500 },
      ],
    ])(
      'an endpoint gets everything at once though those of the other %s',
      async (_, other) => {
        const busy = await process.application('busy');
        for (let n = 0; n < other.endpoints; n++) {
          const href = `http://busy-${n}.example.com/`;
          receivers.manners.set(href, other.manner);
          await process.endpoint(busy, href, other.rate);
        }
        const healthy = await process.application('healthy');
        receivers.manners.set('http://good.example.com/', 'works');
        await process.endpoint(healthy, 'http://good.example.com/', other.rate === null ? null : 100);
        // The others prove that they answer, and have a backlog from then on.
        for (let n = 0; n < 60; n++) {
          void process.publish(busy, `{"x":"${'x'.repeat(other.characters)}"}`);
          await clock.advance(n % 12 === 0 ? 15_000 : 10);
        }
        const published = new Map<string, number>();
        for (let n = 0; n < 100; n++) {
          void process.publish(healthy, `{"n":${n}}`).then((id) => id && published.set(id, clock.now()));
          await clock.advance(100);
        }
        expect((await process.store.deliveryCountOpen({})).pending).toBeGreaterThan(0);
        expect(published.size).toBe(100);
        const got = receivers.hits.filter((hit) => published.has(hit.messageId));
        expect(got).toHaveLength(100);
        for (const hit of got) {
          expect(hit.startedAt - (published.get(hit.messageId) as number)).toBeLessThanOrEqual(50);
        }
      },
      60_000,
    );
  });

  it('gives an endpoint that answers more room, and one that does not answer less', async () => {
    const application = await process.application();
    for (const manner of ['slow', 'hangs'] as const) {
      const href = `http://${manner}.example.com/`;
      receivers.manners.set(href, manner);
      await process.endpoint(application, href);
    }
    const publishes = Array.from({ length: 400 }, (_, n) => process.publish(application, `{"n":${n}}`));
    await clock.advance(60_000);
    await Promise.all(publishes);
    expect(receivers.mostUnderWay.get('http://slow.example.com/')).toBe(32);
    expect(receivers.mostUnderWay.get('http://hangs.example.com/')).toBeLessThanOrEqual(4);
  });

  describe('with a thousand endpoints of which 100 hang, 100 fail at once and 100 are slow', () => {
    const kinds: readonly [name: string, endpoints: number, manner: Manner][] = [
      ['hangs', 100, 'hangs'],
      ['fails', 100, 'always fails'],
      ['slow', 100, 'slow'],
      ['works', 700, 'works'],
    ];
    const EVERY_MS = 2_000;
    const MESSAGES = 60;
    /** They would be tried until long after the end. */
    const retrySchedule = { delaysMs: Array.from({ length: 20 }, () => 5_000), jitter: 0.2 };
    const published = new Map<string, number>();
    const kindOf = ({ href }: Hit) => new URL(href).hostname.split('-')[0];

    it('holds up no healthy one, hardly asks the dead ones, and brings them everything when they are back', async () => {
      await process.kill();
      process = await Process.start({ folder, clock, seed: 15, receivers, refused: 0 });
      receivers.hits.length = 0;
      const application = await process.application();
      for (const [name, endpoints, manner] of kinds) {
        for (let n = 0; n < endpoints; n++) {
          const href = `http://${name}-${n}.example.com/`;
          receivers.manners.set(href, manner);
          await process.endpoint(application, href, null, { retrySchedule });
        }
      }
      const started = clock.now();
      for (let n = 0; n < MESSAGES; n++) {
        void process.publish(application, `{"n":${n}}`).then((id) => id && published.set(id, clock.now()));
        await clock.advance(EVERY_MS);
      }
      expect(published.size).toBe(MESSAGES);

      const waits = receivers.hits
        .filter((hit) => kindOf(hit) === 'works')
        .map((hit) => hit.startedAt - (published.get(hit.messageId) as number));
      expect(waits).toHaveLength(700 * MESSAGES);
      expect(Math.max(...waits)).toBeLessThanOrEqual(10);
      // Those that are slow have one more under way than they answer, and wait for nothing.
      const slow = receivers.hits.filter((hit) => kindOf(hit) === 'slow');
      expect(slow).toHaveLength(100 * MESSAGES);
      for (const hit of slow)
        expect(hit.startedAt - (published.get(hit.messageId) as number)).toBeLessThanOrEqual(10);

      // So many open the breaker, with what was under way then; after that there are probes, each wait twice the last.
      const asked = Map.groupBy(receivers.hits, ({ href }) => href);
      const probes = 1 + Math.log2((MESSAGES * EVERY_MS) / (0.9 * BREAKER_PROBE_MS.first));
      for (const [href, hits] of asked) {
        if (/hangs|fails/.test(href)) expect(hits.length).toBeLessThanOrEqual(BREAKER_FAILURES + 4 + probes);
      }
      expect(process.engine.resident).toBeLessThan(2 * 200 + 4 * 100);

      receivers.faulty = false;
      await clock.advance(1.2 * BREAKER_PROBE_MS.most);
      expect(await process.store.deliveryCountOpen({})).toEqual({ pending: 0, sending: 0, held: 0 });
      const arrived = receivers.hits.filter(({ succeeded, startedAt }) => succeeded && startedAt >= started);
      expect(new Set(arrived.map((hit) => `${hit.messageId} ${hit.href}`)).size).toBe(1_000 * MESSAGES);
      expect(arrived).toHaveLength(1_000 * MESSAGES);
    }, 180_000);
  });
});
