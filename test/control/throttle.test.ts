import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOUR_MS, Scene } from './scene.ts';
import type { Arrival, Target } from './target.ts';

/** What a throttle may catch up, ms. */
const SLACK_MS = 50;

describe('how fast, and how many at once', () => {
  let scene: Scene;
  let target: Target;
  beforeEach(async () => {
    scene = await Scene.start();
    target = await scene.target();
  });
  afterEach(() => scene.end());

  it('a throttle of an endpoint is even, also after it was idle for an hour', async () => {
    await scene.endpoint('e', target, { throttleRate: 25 });
    for (const first of [0, 10]) {
      const begin = scene.clock.monotonic();
      await scene.publishAll(first, first + 9);
      await target.has(first + 10);
      expectPaced(target.arrivals.slice(first), begin, 25);
      scene.clock.leap(HOUR_MS);
    }
  });

  it('a throttle of an application is kept over all of its endpoints, and one waiting says so', async () => {
    const other = await scene.target();
    await scene.endpoint('a', target);
    await scene.endpoint('b', other);
    await scene.ask(200, 'PATCH', '', { throttleRate: 25 });
    const begin = scene.clock.monotonic();
    const ids = await scene.publishAll(0, 9);
    await scene.soon(() => scene.explain(ids.at(-1) as string, 'b'), {
      waitsFor: 'throttle',
      attemptCount: 0,
    });
    await Promise.all([target.has(10), other.has(10)]);
    expectPaced([...target.arrivals, ...other.arrivals], begin, 25);
  });

  it('an endpoint has at most as many requests at once as it says', async () => {
    await scene.endpoint('e', target, { maxInFlight: 2 });
    target.keeps();
    const ids = await scene.publishAll(0, 5);
    await target.has(2);
    for (let answered = 1; answered <= 4; answered++) {
      expect(await scene.health('e')).toMatchObject({ inFlight: 2, maxInFlight: 2 });
      target.answerOne();
      await target.has(2 + answered);
    }
    target.letsGo();
    for (const id of ids) await scene.until(id, 'e', { state: 'succeeded' });
    expect(target.mostOpen).toBe(2);
  });

  it('what waits for the end of others says so', async () => {
    await scene.endpoint('e', target, { maxInFlight: 2 });
    target.keeps();
    const ids = await scene.publishAll(0, 5);
    await target.has(2);
    expect(await scene.explain(ids[0] as string, 'e')).toMatchObject({ state: 'sending', waitsFor: null });
    expect(await scene.explain(ids[5] as string, 'e')).toMatchObject({ waitsFor: 'in_flight' });
    target.letsGo();
  });

  it('32 at once are usual, up to 256 may be asked for, and a change is felt at once', async () => {
    await scene.endpoint('e', target);
    // It has shown that it answers.
    await scene.publishAll(0, 99);
    await target.has(100);
    target.keeps();
    await scene.publishAll(100, 179);
    await target.has(132);
    expect(await scene.health('e')).toMatchObject({ inFlight: 32, maxInFlight: 32 });
    await scene.change('e', { maxInFlight: 40 });
    target.answerOne();
    await scene.soon(() => target.open, 33);
    expect(await scene.ask(422, 'PATCH', '/endpoint/e', { maxInFlight: 257 })).toBeTruthy();
    await scene.change('e', { maxInFlight: 1 });
    for (let answered = 0; answered < 32; answered++) target.answerOne();
    await scene.soon(() => target.open, 1);
    target.answerOne();
    await target.has(135);
    expect(await scene.health('e')).toMatchObject({ inFlight: 1, maxInFlight: 1 });
    target.letsGo();
    await target.has(180);
    expect(await scene.change('e', { maxInFlight: null })).toMatchObject({ maxInFlight: 32 });
  });
});

describe('a thousand endpoints that never answer', () => {
  it('leave room for the rest of their company, and for others', { timeout: 30_000 }, async () => {
    const scene = await Scene.start();
    const [silent, healthy, foreign] = [await scene.target(), await scene.target(), await scene.target()];
    silent.keeps();
    await scene.endpoint('healthy', healthy, { channels: ['healthy'] });
    await scene.publish(0, { channels: ['healthy'] });
    await healthy.has(1);
    await scene.world.addCompany('other', 'other');
    await scene.askAll(201, 'POST', '/app/other/endpoint', { url: foreign.url });
    await scene.endpoints(1_000, silent, { channels: ['silent'] });
    await scene.publishAll(1, 2, () => ({ channels: ['silent'] }));
    await silent.has(1_000);
    await scene.publishAll(1, 40, () => ({ channels: ['healthy'] }));
    const message = { eventType: 'ticket.created', payload: { n: 1 } };
    await scene.askAll(202, 'POST', '/app/other/msg', message);
    await Promise.all([healthy.has(41), foreign.has(1)]);
    // They hang still: nobody waited for them.
    expect(silent.open).toBeGreaterThan(500);
    await scene.end();
  });
});

/** None came before its time: evenly, from the beginning on. */
function expectPaced(arrivals: readonly Arrival[], begin: number, rate: number): void {
  const times = arrivals.map(({ monotonic }) => monotonic).sort((a, b) => a - b);
  times.forEach((at, index) => {
    expect(at - begin).toBeGreaterThanOrEqual((index * 1_000) / rate - SLACK_MS);
  });
}
