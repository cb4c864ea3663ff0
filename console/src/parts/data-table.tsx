import { type ReactNode, useRef } from 'react';
import { useShortcut } from '../frame/shortcuts.tsx';
import styles from './data-table.module.css';

export interface Column<Row> {
  id: string;
  title: string;
  cell: (row: Row) => ReactNode;
  /** Numbers stand at the end, under each other. */
  align?: 'start' | 'end';
  /** On a phone a row is two lines: where the cell goes. `main` names the row. */
  phone: 'main' | 'first' | 'second' | 'hidden';
  /** What it is called is clear from what is in it: it has its title for screen readers only. */
  quiet?: boolean;
}

/**
 * Rows of things, each leading to its page. A table on wide screens and for screen readers, rows of two lines on phones.
 * @param props.link the link of a row, around what its main cell shows.
 */
export function DataTable<Row>(props: {
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  link?: (row: Row, children: ReactNode) => ReactNode;
}) {
  const { label, columns, rows, rowKey, link } = props;
  const body = useRef<HTMLTableSectionElement>(null);
  const move = (step: number) => {
    const links = [...(body.current?.querySelectorAll<HTMLElement>(`.${styles.main} a`) ?? [])];
    const at = links.indexOf(document.activeElement as HTMLElement);
    links[Math.max(0, Math.min(links.length - 1, at + step))]?.focus();
  };
  useShortcut('j', 'Next row', () => move(1));
  useShortcut('k', 'Previous row', () => move(-1));
  return (
    // Roles are written out (biome.json lets this file do so): browsers take them from tables that are not laid out as such.
    <table className={styles.table} role="table" aria-label={label} aria-rowcount={rows.length + 1}>
      <thead role="rowgroup" className={styles.head}>
        <tr role="row">
          {columns.map(({ id, title, align, quiet }) => (
            <th key={id} role="columnheader" scope="col" data-align={align}>
              {quiet ? <span className="unseen">{title}</span> : title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup" ref={body}>
        {rows.map((row) => (
          <tr key={rowKey(row)} role="row" className={styles.row}>
            {columns.map(({ id, cell, align, phone }) => {
              const isMain = phone === 'main';
              return (
                <td
                  key={id}
                  role="cell"
                  data-align={align}
                  data-phone={phone}
                  className={isMain ? styles.main : undefined}
                >
                  {isMain && link ? link(row, cell(row)) : cell(row)}
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
