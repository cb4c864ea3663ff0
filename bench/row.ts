import { Child } from './child.ts';
import { monotonicMs } from './clock.ts';
import type { Limit } from './limit.ts';
import type { Load } from './load.ts';
import type { Receiver } from './receiver.ts';
import { type Sample, sample } from './statistics.ts';

/** What every row measures with: a receiver, a load generator and the bare limit, each a process of its own. */
export interface Workbench {
  readonly receiver: Child<Receiver>;
  readonly load: Child<Load>;
  readonly limit: Child<Limit>;
  readonly receiverUrl: string;
  /** Smaller counts and shorter times. */
  readonly quick: boolean;
}

/** One figure of one run, and what it is held against, measured in the same run. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly beside: number;
}

/** One line of the table, or a few that come from one measurement. To add one: write it and name it in run.ts. */
export interface Row {
  readonly id: string;
  readonly title: string;
  /** One sentence: what happens, and what the figures are. */
  readonly meaning: string;
  /** Empty where the names of the figures say it. */
  readonly unit: string;
  /** What the figures are held against. */
  readonly beside: string;
  /** The goal for the ratio or the figures, from the design. Empty when there is none. */
  readonly target: string;
  /** Whether the medians reach the target; null without one. */
  readonly meets: ((lines: readonly Line[]) => boolean) | null;
  /** Why --quick leaves it out unless it is asked for by name: it cannot be small. */
  readonly notQuick?: string;
  /** A run that is still not over by then hangs; left out: 120. */
  readonly longestSeconds?: number;
  /**
   * One run, in a world of its own; only a large store is filled once for all runs. The same figures every time; notes are
   * further numbers worth printing.
   */
  measure(bench: Workbench): Promise<{ figures: Figure[]; notes: Record<string, number> }>;
}

export interface Line {
  readonly name: string;
  readonly value: Sample;
  readonly beside: Sample;
  /** value / beside, run by run. */
  readonly ratio: Sample;
}

export interface RowResult extends Omit<Row, 'measure' | 'meets' | 'notQuick' | 'longestSeconds'> {
  readonly verdict: 'met' | 'missed' | null;
  readonly lines: readonly Line[];
  readonly notes: Readonly<Record<string, Sample>>;
}

/** The bare limit and the receiver run at full speed only after about this many requests: measured, 24 then 36 thousand/s. */
const WARM_UP = { usual: 60_000, quick: 20_000 };

export async function openWorkbench(quick: boolean): Promise<Workbench> {
  const receiver = new Child<Receiver>(new URL('./receiver.ts', import.meta.url));
  const load = new Child<Load>(new URL('./load.ts', import.meta.url));
  const limit = new Child<Limit>(new URL('./limit.ts', import.meta.url));
  const receiverUrl = await receiver.ask('listen');
  await limit.ask('flood', { receiver: receiverUrl, count: quick ? WARM_UP.quick : WARM_UP.usual });
  return { receiver, load, limit, receiverUrl, quick };
}

export async function closeWorkbench({ receiver, load, limit }: Workbench): Promise<void> {
  await Promise.all([receiver.end(), load.end(), limit.end()]);
}

/** Measures a row `runs` times. `progress` hears of each run. */
export async function measureRow(
  row: Row,
  bench: Workbench,
  runs: number,
  progress: (text: string) => void,
): Promise<RowResult> {
  const measured: Awaited<ReturnType<Row['measure']>>[] = [];
  for (let run = 1; run <= runs; run++) {
    progress(`(${row.id}) ${row.title}, run ${run} of ${runs}`);
    const startedAt = monotonicMs();
    measured.push(await row.measure(bench));
    progress(`    ${((monotonicMs() - startedAt) / 1000).toFixed(1)} s`);
  }
  const [first] = measured;
  if (first === undefined) throw new Error('A row needs at least one run.');
  const lines = first.figures.map(({ name }, index) => {
    const figures = measured.map((each) => each.figures[index] as Figure);
    return {
      name,
      value: sample(figures.map((figure) => figure.value)),
      beside: sample(figures.map((figure) => figure.beside)),
      ratio: sample(figures.map((figure) => figure.value / figure.beside)),
    };
  });
  const notes = Object.fromEntries(
    Object.keys(first.notes).map((name) => [
      name,
      sample(measured.map((each) => each.notes[name] as number)),
    ]),
  );
  const { measure: _, longestSeconds: __, notQuick: ___, meets, ...about } = row;
  const verdict = meets === null ? null : meets(lines) ? 'met' : 'missed';
  return { ...about, verdict, lines, notes };
}

/** The median that a line has, by the line's name. */
export function median(lines: readonly Line[], name: string, of: 'value' | 'ratio'): number {
  const line = lines.find((each) => each.name === name);
  if (line === undefined) throw new Error(`There is no line "${name}".`);
  return line[of].median;
}
