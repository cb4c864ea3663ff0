import { columns, figure } from './table.ts';

export interface PostgresFigure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

/** What is measured in a PostgreSQL of its own. To add one: write it and name it in postgres.ts. */
export interface PostgresPart {
  readonly id: string;
  readonly title: string;
  /** A sentence or two: what happens, and what the figures are. */
  readonly meaning: string;
  /** @param quick Smaller counts and shorter times: whether it works at all. */
  measure(quick: boolean): Promise<PostgresFigure[]>;
}

export function partText({ id, title, meaning }: PostgresPart, figures: readonly PostgresFigure[]): string {
  const cells = figures.map(({ name, value, unit }) => [`  ${name}`, figure(value), unit]);
  return `(${id}) ${title}. ${meaning}.\n${columns(cells)}\n`;
}
