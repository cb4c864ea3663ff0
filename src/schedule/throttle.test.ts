import { expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import type { LeasedDelivery } from '../model/lease.ts';
import { Alarms } from './alarms.ts';
import { Holdings } from './holding.ts';
import { Lane, type LaneThrottle } from './lane.ts';
import { Throttles } from './throttle.ts';

it('lets out of a line as many as may begin, though the clock stands while it rings', async () => {
  const clock = new ManualClock();
  const woken: Lane[] = [];
  const throttles = new Throttles({
    clock,
    alarms: new Alarms(clock),
    set: (lane, throttle) => {
      lane.throttle = throttle;
    },
    wake: (lane) => woken.push(lane),
  });
  const target = { applicationKey: 1, href: 'http://a.example.com/', headers: {}, secrets: [] };
  const destination = { target, disabled: false, throttleRate: null, applicationThrottleRate: 100 };
  const lanes = Array.from({ length: 1_000 }, (_, key) => new Lane(key, new Holdings().unknown));
  for (const lane of lanes) {
    lane.ready.push({} as LeasedDelivery);
    throttles.adopt(lane, destination);
    throttles.admits(lane, lane.throttle as LaneThrottle);
  }
  let begun = 0;
  for (let ms = 0; ms < 1_000; ms++) {
    await clock.advance(1);
    expect(woken.length).toBeLessThanOrEqual(6);
    for (const lane of woken.splice(0)) {
      expect(throttles.admits(lane, lane.throttle as LaneThrottle)).toBe(true);
      begun++;
    }
  }
  expect(begun).toBeGreaterThanOrEqual(98);
  expect(begun).toBeLessThanOrEqual(101);
});
