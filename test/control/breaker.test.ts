import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BREAKER_FAILURES, BREAKER_PROBE_MS } from '../../src/limits.ts';
import { DAY_MS, HOUR_MS, Scene } from './scene.ts';
import type { Target } from './target.ts';

describe('an endpoint that fails', () => {
  let scene: Scene;
  let target: Target;
  beforeEach(async () => {
    scene = await Scene.start({ retryScheduleMs: [HOUR_MS, HOUR_MS, HOUR_MS] });
    target = await scene.target();
  });
  afterEach(() => scene.end());

  /** As many failures as open the breaker. */
  async function open(): Promise<void> {
    target.answers(500);
    await scene.endpoint('e', target);
    for (const id of await scene.publishAll(1, BREAKER_FAILURES)) await scene.tried(id, 'e', 1);
    await scene.soon(() => scene.health('e'), {
      state: 'breaker_open',
      breaker: { open: true, failures: BREAKER_FAILURES, nextProbe: expect.any(String) },
    });
  }

  it('is left in peace: what waits spends no tries, probes go out one by one, and one that arrives lets all go', async () => {
    await open();
    const waiting = await scene.publishAll(101, 130);
    for (const id of waiting.slice(-3)) {
      await scene.soon(() => scene.explain(id, 'e'), { waitsFor: 'breaker', attemptCount: 0 });
    }
    let probeMs = BREAKER_PROBE_MS.first;
    for (let probes = 1; probes <= 3; probes++) {
      const { breaker } = await scene.health('e');
      const inMs = Date.parse(breaker.nextProbe) - scene.clock.now();
      expect(inMs).toBeGreaterThan(probeMs * 0.5);
      expect(inMs).toBeLessThan(probeMs * 1.5);
      scene.clock.leapTo(Date.parse(breaker.nextProbe));
      await scene.soon(() => scene.health('e'), {
        inFlight: 0,
        breaker: { open: true, failures: BREAKER_FAILURES + probes },
      });
      expect(target.arrivals).toHaveLength(BREAKER_FAILURES + probes);
      probeMs *= 2;
    }
    // The last probe has ended; that it is on record may take a moment more.
    await scene.soon(async () => (await counts(waiting)).filter((count) => count === 1).length, 3);
    const tried = await counts(waiting);
    expect(tried.filter((count) => count > 0)).toHaveLength(3);

    target.answers(200);
    scene.clock.leapTo(Date.parse((await scene.health('e')).breaker.nextProbe));
    const untried = waiting.filter((_, index) => tried[index] === 0);
    for (const id of untried) await scene.until(id, 'e', { state: 'succeeded', attemptCount: 1 });
    expect(await scene.health('e')).toMatchObject({
      state: 'healthy',
      failingSince: null,
      breaker: { open: false },
    });
  });

  it('that breaks connections off is no better', async () => {
    target.breaksOff();
    await scene.endpoint('e', target);
    await scene.publishAll(1, 40);
    await scene.soon(() => scene.health('e'), { state: 'breaker_open', inFlight: 0 });
    // The requests that were under way when it opened ended after it.
    expect(target.arrivals.length).toBeLessThan(BREAKER_FAILURES + 5);
  });

  it('gets a resend at once, which is a probe', async () => {
    await open();
    const waiting = await scene.publishAll(101, 110);
    target.answers(200);
    await scene.ask(202, 'POST', `/msg/${waiting[4]}/endpoint/e/resend`);
    for (const id of waiting) await scene.until(id, 'e', { state: 'succeeded' });
    expect(target.numbers[BREAKER_FAILURES]).toBe(105);
    expect(await scene.health('e')).toMatchObject({ state: 'healthy' });
  });

  it('gets at once what somebody retries now', async () => {
    await open();
    const [waiting] = (await scene.publishAll(101, 101)) as [string];
    const { breaker } = await scene.health('e');
    target.answers(200);
    await scene.ask(200, 'POST', `/msg/${waiting}/endpoint/e/retry`);
    await scene.until(waiting, 'e', { state: 'succeeded', attemptCount: 1 });
    expect(target.arrivals.at(-1)?.at).toBeLessThan(Date.parse(breaker.nextProbe));
  });

  it('keeps nobody else waiting, and what waits goes on after a restart', async () => {
    await open();
    const other = await scene.target();
    await scene.endpoint('other', other);
    const ids = await scene.publishAll(101, 120);
    await other.has(20);
    for (const id of ids) await scene.until(id, 'other', { state: 'succeeded' });
    target.answers(200);
    await scene.restart();
    for (const id of ids) await scene.until(id, 'e', { state: 'succeeded', attemptCount: 1 });
  });

  async function counts(ids: readonly string[]): Promise<number[]> {
    return Promise.all(ids.map(async (id) => (await scene.delivery(id, 'e')).attemptCount));
  }
});

describe('an endpoint that did nothing but fail for days', () => {
  let scene: Scene;
  let target: Target;
  beforeEach(async () => {
    scene = await Scene.start();
    target = await scene.target();
    target.answers(500);
    await scene.endpoint('e', target, { retrySchedule: { delaysSeconds: [] } });
  });
  afterEach(() => scene.end());

  it('is disabled, says why, and restarts do not begin the time anew; held is what comes then', async () => {
    await fails(1);
    const { failingSince, disablesAt, state } = await scene.health('e');
    expect(state).toBe('failing');
    expect(Math.abs(Date.parse(failingSince) - scene.clock.now())).toBeLessThan(10_000);
    expect(Date.parse(disablesAt) - Date.parse(failingSince)).toBe(5 * DAY_MS);
    await scene.restart(() => scene.clock.leap(3 * DAY_MS));
    await fails(2);
    await scene.restart(() => scene.clock.leap(1.9 * DAY_MS));
    expect(await scene.health('e')).toMatchObject({ failingSince, disablesAt });
    await fails(3);
    expect(await scene.ask(200, 'GET', '/endpoint/e')).toMatchObject({ disabled: false });
    scene.clock.leapTo(Date.parse(disablesAt));
    await fails(4);
    await scene.soon(() => scene.ask(200, 'GET', '/endpoint/e'), {
      disabled: true,
      disabledReason: 'failing',
      disabledAt: expect.any(String),
    });
    await scene.until(await scene.publish(5), 'e', { state: 'held', reason: 'endpoint_disabled' });
    expect(await scene.health('e')).toMatchObject({ state: 'disabled', held: 1 });

    // Enabled, it has all the time again.
    await scene.change('e', { disabled: false });
    expect(await scene.health('e')).toMatchObject({ failingSince: null, disablesAt: null });
    await fails(6);
    const again = await scene.health('e');
    expect(Date.parse(again.disablesAt) - scene.clock.now()).toBeGreaterThan(4.9 * DAY_MS);
  });

  it('is not when one thing arrives in between, be it a resend; and a resend that fails begins nothing', async () => {
    const failed = await fails(1);
    scene.clock.leap(4 * DAY_MS);
    target.answers(200);
    await scene.ask(202, 'POST', `/msg/${failed}/endpoint/e/resend`);
    await scene.until(failed, 'e', { state: 'succeeded' });
    await scene.soon(() => scene.health('e'), { state: 'healthy', failingSince: null });
    target.answers(500);
    await scene.ask(202, 'POST', `/msg/${failed}/endpoint/e/resend`);
    await target.has(3);
    await scene.soon(async () => (await scene.ask(200, 'GET', `/attempt/msg/${failed}`)).data.length, 3);
    expect(await scene.health('e')).toMatchObject({ failingSince: null });
    scene.clock.leap(2 * DAY_MS);
    await fails(2);
    expect(await scene.ask(200, 'GET', '/endpoint/e')).toMatchObject({ disabled: false });
  });

  async function fails(n: number): Promise<string> {
    const id = await scene.publish(n);
    await scene.until(id, 'e', { state: 'failed' });
    return id;
  }
});
