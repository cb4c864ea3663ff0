import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { SCAN_ROWS, SCAN_STEP_ROWS } from '../limits.ts';
import type { AttemptPage, Scanned } from '../store/store.ts';
import { type ListAsked, scan } from './scan.ts';
import { ScanTurns } from './scan-turns.ts';

const everything = { limit: 3, before: null, after: null, below: null, isGone: () => false };

/** A list of the ids `000` to `999` in which each step looks at some and finds what `wanted` says. */
function list(wanted: (id: number) => boolean, rowsAStep = 20) {
  const pages: AttemptPage[] = [];
  const step = async (page: AttemptPage): Promise<Scanned<string>> => {
    pages.push(page);
    const upwards = page.after !== null && page.before === null;
    const rows: string[] = [];
    let at = upwards ? Number(page.after) + 1 : Number(page.before ?? 1_000) - 1;
    for (let looked = 0; looked < rowsAStep; looked++, at += upwards ? 1 : -1) {
      if (at < 0 || at > 999) return { rows, scannedTo: null };
      const id = String(at).padStart(3, '0');
      if (!wanted(at)) continue;
      if (upwards) rows.unshift(id);
      else rows.push(id);
      if (rows.length === page.limit) return { rows, scannedTo: null };
    }
    return { rows, scannedTo: String(upwards ? at - 1 : at + 1).padStart(3, '0') };
  };
  return { pages, step };
}

async function scanned(wanted: (id: number) => boolean, asked: Partial<ListAsked> = {}, rowsAStep?: number) {
  const clock = new ManualClock();
  const { pages, step } = list(wanted, rowsAStep);
  const result = new ScanTurns(clock).within(1, (turn) => scan(turn, { ...everything, ...asked }, step));
  await clock.settle();
  return { ...(await result), steps: pages.length };
}

describe('a scan', () => {
  it('goes on until the page is full, downwards and upwards', async () => {
    const rare = (id: number) => id % 100 === 50;
    expect(await scanned(rare)).toEqual({ rows: ['950', '850', '750'], scannedTo: null, steps: 13 });
    expect(await scanned(rare, { after: '300' })).toMatchObject({ rows: ['550', '450', '350'] });
  });

  it('ends with the list', async () => {
    expect(await scanned((id) => id === 5)).toMatchObject({ rows: ['005'], scannedTo: null });
    expect(await scanned((id) => id === 995, { after: '500' })).toMatchObject({ rows: ['995'] });
  });

  it('looks no further than the page that it came back from reaches', async () => {
    const { steps, ...found } = await scanned((id) => id > 900, { after: '100', below: '200' });
    expect(found).toEqual({ rows: [], scannedTo: null });
    expect(steps).toBe(5);
  });

  it('says how far it came, after so many rows', async () => {
    const bound = SCAN_ROWS / SCAN_STEP_ROWS;
    const { steps, scannedTo } = await scanned(() => false, {}, 2);
    expect([steps, scannedTo]).toEqual([bound, String(1_000 - bound * 2).padStart(3, '0')]);
  });

  it('lets others have their turn after each step', async () => {
    const clock = new ManualClock();
    const { pages, step } = list((id) => id < 3);
    const result = new ScanTurns(clock).within(1, (turn) => scan(turn, everything, step));
    expect(pages).toHaveLength(1);
    let turn = false;
    clock.soon(() => {
      turn = true;
    });
    await clock.settle();
    expect([turn, (await result).rows]).toEqual([true, ['002', '001', '000']]);
  });

  it('stops when the caller has hung up', async () => {
    let steps = 0;
    const found = await scanned(() => false, { isGone: () => ++steps > 2 });
    expect(found).toMatchObject({ rows: [], scannedTo: '940', steps: 3 });
  });
});
