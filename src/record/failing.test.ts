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

  it('is known from the last run', () => {
    const { failing, overdue, warnings } = failingEndpoints();
    failing.load([{ endpointKey: 1, since: 0, warnedAt: 850 }]);
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
    expect(failing.changes(1)).toEqual([{ endpointKey: 1, since: 1, warnedAt: null, announcements: [] }]);
    const written = failing.changes(10);
    // While they are written, one of them works again.
    failing.succeeded(1);
    failing.written(written);
    expect(failing.changes(10)).toEqual([{ endpointKey: 1, since: null }]);
    failing.written(failing.changes(10));
    expect(failing.changes(10)).toEqual([]);
  });
});
