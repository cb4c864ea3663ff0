import { describe, expect, it } from 'vitest';
import type { NewEndpointAnnouncement } from '../model/announcement.ts';
import { Failing } from './failing.ts';

const AFTER_MS = 1_000;
const told: NewEndpointAnnouncement & { applicationKey: number } = {
  type: 'endpoint.failing',
  data: { appId: 'app_1', appUid: null, endpointId: 'ep_1', endpointUid: null },
  applicationKey: 1,
};

/** `known`: the registry has the endpoint in memory when operators are told. */
function failingEndpoints({ disableAfterMs = AFTER_MS as number | null, known = true, there = true } = {}) {
  const overdue: [endpointKey: number, since: number][] = [];
  const warnings: object[] = [];
  const failing = new Failing({
    disableAfterMs,
    isThere: () => there,
    announcements: (_, times) => (known ? [{ ...told, data: { ...told.data, ...texts(times) } }] : null),
    overdue: (...call) => overdue.push(call),
    log: { warn: (fields) => warnings.push(fields) },
  });
  return { failing, overdue, warnings };
}

const texts = ({ since, disableAt }: { since: number; disableAt: number }) => ({
  failSince: String(since),
  disableAt: String(disableAt),
});

describe('an endpoint that fails', () => {
  it('is forgotten when it is gone, also when what was under way fails after that', () => {
    const { failing } = failingEndpoints({ there: false });
    failing.failed(1, 100);
    expect(failing.of(1)).toBeNull();
    expect(failing.changes(9)).toEqual([]);
  });

  it('does so since the first failure after the last success', () => {
    const { failing } = failingEndpoints();
    expect(failing.of(1)).toBeNull();
    for (const at of [100, 200, 300]) failing.failed(1, at);
    expect(failing.of(1)).toEqual({ since: 100, disablesAt: 1_100 });
    failing.succeeded(1);
    expect(failing.of(1)).toBeNull();
    failing.failed(1, 400);
    expect(failing.of(1)).toEqual({ since: 400, disablesAt: 1_400 });
  });

  it('is announced once, before it is overdue, and is overdue with every failure from then on', () => {
    const { failing, overdue, warnings } = failingEndpoints();
    for (const at of [0, 799, 800, 900, 999]) failing.failed(1, at);
    expect(warnings).toHaveLength(1);
    expect(failing.changes(10)).toEqual([
      {
        endpointKey: 1,
        since: 0,
        warnedAt: 800,
        broken: false,
        announcements: [{ ...told, data: { ...told.data, failSince: '0', disableAt: '1000' } }],
      },
    ]);
    expect(overdue).toEqual([]);
    for (const at of [1_000, 1_001]) failing.failed(1, at);
    expect(overdue).toEqual([
      [1, 0],
      [1, 0],
    ]);
    failing.forget(1);
    failing.failed(1, 1_002);
    expect(overdue).toHaveLength(2);
    expect(failing.of(1)?.since).toBe(1_002);
  });

  it('is not disabled without notice when it had too little to do to be warned in time', () => {
    const { failing, overdue, warnings } = failingEndpoints();
    for (const at of [0, 5_000, 5_199]) failing.failed(1, at);
    expect([warnings.length, overdue, failing.of(1)?.disablesAt]).toEqual([1, [], 5_200]);
    failing.failed(1, 5_200);
    expect(overdue).toEqual([[1, 0]]);
  });

  it('is announced later when nothing is known of it at the moment', () => {
    const { failing, warnings } = failingEndpoints({ known: false });
    for (const at of [0, 900]) failing.failed(1, at);
    expect(warnings).toEqual([]);
    expect(failing.changes(10)).toEqual([expect.objectContaining({ warnedAt: null })]);
  });

  it('goes on to do so for ever when nothing disables it', () => {
    const { failing, overdue, warnings } = failingEndpoints({ disableAfterMs: null });
    for (const at of [0, 900, 1_000_000_000]) failing.failed(1, at);
    expect([overdue, warnings, failing.of(1)]).toEqual([[], [], { since: 0, disablesAt: null }]);
  });

  it('is known from the last run', async () => {
    const { failing, overdue, warnings } = failingEndpoints();
    await failing.reload(async () => [{ endpointKey: 1, since: 0, warnedAt: 850, broken: false }]);
    expect(failing.changes(10)).toEqual([]);
    failing.failed(1, 900);
    expect(warnings).toEqual([]);
    failing.failed(1, 1_000);
    expect(overdue).toEqual([[1, 0]]);
  });
});

describe('what the store is told', () => {
  it('is each change, once it is written no more, and the last one where there were several', () => {
    const { failing } = failingEndpoints();
    failing.succeeded(1);
    expect(failing.changes(10)).toEqual([]);
    failing.failed(1, 1);
    failing.failed(2, 2);
    failing.failed(1, 3);
    expect(failing.changes(1)).toEqual([
      { endpointKey: 1, since: 1, warnedAt: null, broken: false, announcements: [] },
    ]);
    const written = failing.changes(10);
    // While they are written, one of them works again.
    failing.succeeded(1);
    failing.written(written);
    expect(failing.changes(10)).toEqual([{ endpointKey: 1, since: null }]);
    failing.written(failing.changes(10));
    expect(failing.changes(10)).toEqual([]);
  });
});

describe('what other processes know', () => {
  const row = (endpointKey: number, since = 5, broken = false) => ({
    endpointKey,
    since,
    warnedAt: null,
    broken,
  });

  it('is taken over, also that an endpoint works again', async () => {
    const { failing } = failingEndpoints();
    failing.failed(1, 100);
    failing.failed(2, 200);
    failing.written(failing.changes(10));
    expect(await failing.reload(async () => [row(2), row(3, 7, true)])).toEqual(new Set([3]));
    expect([1, 2, 3].map((key) => failing.of(key)?.since)).toEqual([undefined, 5, 7]);
    expect(failing.changes(10)).toEqual([]);
    // A success here is one for all.
    failing.succeeded(3);
    expect(failing.changes(10)).toEqual([{ endpointKey: 3, since: null }]);
  });

  it('is not taken over where something is known better: yet to be written, or newer than the read', async () => {
    const { failing } = failingEndpoints();
    for (const key of [1, 2, 3, 4]) failing.failed(key, 100);
    failing.written(failing.changes(10));
    failing.succeeded(1);
    failing.failed(5, 300);
    await failing.reload(async () => {
      failing.written(failing.changes(10));
      failing.succeeded(2);
      failing.forget(3);
      failing.failed(6, 400);
      return [row(1), row(2), row(3), row(4)];
    });
    expect([1, 2, 3, 4, 5, 6].map((key) => failing.of(key)?.since ?? null)).toEqual([
      ...[null, null, null],
      ...[5, 300, 400],
    ]);
  });

  it('is as it was where it could not be read', async () => {
    const { failing } = failingEndpoints();
    failing.failed(1, 100);
    failing.written(failing.changes(10));
    await expect(failing.reload(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(failing.of(1)?.since).toBe(100);
  });

  it('is told of breakers that open and close, once each', () => {
    const { failing } = failingEndpoints();
    const changes = () => {
      const all = failing.changes(10);
      failing.written(all);
      return all.map((change) => (change.since === null ? change : [change.since, change.broken]));
    };
    failing.failed(1, 100);
    failing.breaker(1, true, 150);
    expect(changes()).toEqual([[100, true]]);
    failing.breaker(1, true, 160);
    failing.failed(1, 170);
    expect(changes()).toEqual([]);
    failing.breaker(1, false, 180);
    expect(changes()).toEqual([[100, false]]);
    failing.breaker(1, true, 190);
    failing.breaker(1, false, 200);
    failing.succeeded(1);
    expect(changes()).toEqual([{ endpointKey: 1, since: null }]);
    failing.breaker(1, false, 200);
    expect(changes()).toEqual([]);
    // What it failed by is on its way to the record.
    failing.breaker(2, true, 300);
    failing.failed(2, 300);
    expect(changes()).toEqual([[300, true]]);
    const gone = failingEndpoints({ there: false }).failing;
    gone.breaker(1, true, 100);
    expect(gone.changes(10)).toEqual([]);
  });

  it('is announced all the same when its breaker opens before that is written', () => {
    const { failing } = failingEndpoints();
    failing.failed(1, 0);
    failing.failed(1, 900);
    failing.breaker(1, true, 900);
    expect(failing.changes(10)).toMatchObject([{ broken: true, warnedAt: 900, announcements: [{}] }]);
  });
});
