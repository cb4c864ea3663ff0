import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { LOOK_MS } from '../limits.ts';
import type { Signal } from '../store/store.ts';
import { Hearing, type HearingOptions } from './hearing.ts';
import { Telling } from './telling.ts';

function hearing(over: Partial<HearingOptions> = {}, shared = true) {
  const clock = new ManualClock();
  const heard: unknown[] = [];
  let tell: (signals: readonly Signal[]) => void = () => {};
  const read = (name: string) => async () => void heard.push(name);
  const ears = new Hearing({
    store: {
      shared,
      listen: (told) => {
        tell = told;
      },
    },
    clock,
    applications: (keys) => heard.push(['applications', ...keys]),
    eventTypes: read('event types'),
    keys: () => heard.push('keys'),
    stored: (endpoints) => heard.push(['stored', ...endpoints.map(({ endpointKey }) => endpointKey)]),
    dropped: (leases) => heard.push(['dropped', ...leases.map(({ fence }) => fence)]),
    tasks: read('tasks'),
    announced: () => heard.push('announced'),
    hurry: (endpointKey) => heard.push(['hurry', endpointKey]),
    failing: read('failing'),
    missed: read('missed'),
    look: read('look'),
    log: { warn: (_, text) => heard.push(text) },
    ...over,
  });
  ears.start();
  return { ears, clock, heard, tell: (...signals: Signal[]) => tell(signals) };
}

describe('what others tell', () => {
  it('is followed: each application once, deliveries in the order of what happened', async () => {
    const { tell, heard, clock } = hearing();
    tell(
      { kind: 'application', applicationKey: 1 },
      { kind: 'dropped', leases: [{ messageKey: 1, endpointKey: 2, fence: 7, resendKey: null }] },
      { kind: 'stored', endpoints: [{ endpointKey: 2, dueAt: 0 }] },
      { kind: 'application', applicationKey: 3 },
      { kind: 'application', applicationKey: 1 },
      { kind: 'hurry', endpointKey: 4 },
      { kind: 'task' },
      { kind: 'task' },
      { kind: 'keys' },
      { kind: 'announced' },
      { kind: 'event_types' },
      { kind: 'failing' },
      { kind: 'look' },
    );
    await clock.settle();
    const own = [
      ['dropped', 7],
      ['stored', 2],
      ['hurry', 4],
      ['applications', 1, 3],
    ];
    expect(heard.slice(0, 4)).toEqual(own);
    expect(heard.slice(4).toSorted()).toEqual(
      ['announced', 'event types', 'failing', 'keys', 'missed', 'tasks'].toSorted(),
    );
  });

  it('leads to one read at a time, and to one more for all that comes meanwhile', async () => {
    let reads = 0;
    let end = () => {};
    const { tell, clock } = hearing({
      failing: () => {
        reads++;
        return new Promise((resolve) => {
          end = resolve;
        });
      },
    });
    for (let n = 0; n < 5; n++) tell({ kind: 'failing' });
    await clock.settle();
    expect(reads).toBe(1);
    end();
    await clock.settle();
    expect(reads).toBe(2);
    end();
    await clock.settle();
    expect(reads).toBe(2);
    tell({ kind: 'failing' });
    expect(reads).toBe(3);
  });

  it('is looked for now and then, whatever fails, until the end', async () => {
    let looks = 0;
    const { ears, clock, heard, tell } = hearing({
      look: () => {
        looks++;
        return Promise.reject(new Error('no'));
      },
    });
    await clock.advance(3 * LOOK_MS);
    expect(looks).toBe(3);
    expect(heard).toEqual(Array(3).fill('what other nodes did could not be read; trying again'));
    ears.stop();
    tell({ kind: 'keys' });
    await clock.advance(3 * LOOK_MS);
    expect([looks, heard.length, clock.nextTimerAt]).toEqual([3, 3, null]);
  });

  it('is nothing where there are no others', async () => {
    const { clock, heard } = hearing({}, false);
    await clock.advance(3 * LOOK_MS);
    expect(heard).toEqual([]);
  });
});

describe('what others are told', () => {
  const telling = (shared: boolean, fails = false) => {
    const sent: Signal[] = [];
    const warnings: string[] = [];
    const mouth = new Telling({
      store: {
        shared,
        signalSend: async ({ signals }) => {
          if (fails) throw new Error('no');
          sent.push(...signals);
        },
      },
      log: { warn: (_, text) => warnings.push(text) },
    });
    return { mouth, sent, warnings };
  };
  const endpoints = Array.from({ length: 2_500 }, (_, endpointKey) => ({ endpointKey, dueAt: 5 }));

  it('comes in pieces of a size that the store takes', () => {
    const { mouth, sent } = telling(true);
    mouth.stored(endpoints);
    mouth.hurry(7);
    const sizes = sent.map((signal) => (signal.kind === 'stored' ? signal.endpoints.length : signal));
    expect(sizes).toEqual([1_000, 1_000, 500, { kind: 'hurry', endpointKey: 7 }]);
  });

  it('is nothing where there are no others, and no harm where it gets lost', async () => {
    const alone = telling(false);
    alone.mouth.stored(endpoints);
    expect(alone.sent).toEqual([]);
    const lost = telling(true, true);
    lost.mouth.hurry(7);
    await Promise.resolve();
    await Promise.resolve();
    expect(lost.warnings).toHaveLength(1);
  });
});
