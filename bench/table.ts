import type { RowResult } from './row.ts';
import type { Sample } from './statistics.ts';

/** The results as text: a table, then what each row means. */
export function tableText(results: readonly RowResult[]): string {
  const cells: string[][] = [
    ['', 'what', '', 'Posthorn', '(least - most)', 'beside it', '(least - most)', 'ratio', '', 'target'],
  ];
  for (const result of results) {
    result.lines.forEach(({ name, value, beside, ratio }, index) => {
      const first = index === 0;
      cells.push([
        first ? result.id : '',
        first ? result.title : '',
        result.unit === '' ? name : `${name}, ${result.unit}`,
        figure(value.median),
        spread(value, figure),
        figure(beside.median),
        spread(beside, figure),
        share(ratio.median),
        spread(ratio, share),
        first ? (result.verdict ?? '') : '',
      ]);
    });
  }
  return `${columns(cells)}\n\n${results.map(explanation).join('\n')}`;
}

function explanation({ id, meaning, beside, target, verdict, notes }: RowResult): string {
  const noted = Object.entries(notes).map(([name, { median }]) => `${name}: ${figure(median)}`);
  const parts = [
    `(${id}) ${meaning}. Beside it: ${beside}.`,
    target === '' ? '' : `Target: ${target}: ${verdict}.`,
  ];
  return [...parts, noted.length === 0 ? '' : `${noted.join('; ')}.`]
    .filter((part) => part !== '')
    .join('\n    ');
}

/** Lines up columns: text to the left, numbers to the right. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => [...(row[column] ?? '')].length)),
  );
  const numeric = /^[\d.,]+$/;
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        numeric.test(cell) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}

/** Three to four significant digits, thousands apart. */
export function figure(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en');
  return value.toFixed(value >= 10 ? 1 : 2);
}

function share(value: number): string {
  return value.toFixed(2);
}

/** Empty when there was one run only. */
function spread({ least, most }: Sample, form: (value: number) => string): string {
  return least === most ? '' : `(${form(least)} - ${form(most)})`;
}
