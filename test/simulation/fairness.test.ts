import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock, seededRandom } from '../helpers/manual-clock.ts';
import { Process } from './process.ts';
import { type Manner, Receivers } from './receivers.ts';

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
});
