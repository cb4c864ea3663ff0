import { Button, IconButton } from '../../parts/button.tsx';
import { FieldGroup, fieldId, inputStyle } from '../../parts/field.tsx';
import type { HeaderDraft } from './draft.ts';
import styles from './hook-form.module.css';

/** Headers that go with each request. Values that could be credentials are never shown again. */
export function HeaderRows(props: {
  rows: readonly HeaderDraft[];
  error: string | undefined;
  onChange(rows: readonly HeaderDraft[]): void;
}) {
  const { rows, error, onChange } = props;
  const change = (row: number, fields: Partial<HeaderDraft>) =>
    onChange(rows.map((each) => (each.row === row ? { ...each, ...fields } : each)));
  const next = Math.max(0, ...rows.map(({ row }) => row + 1));
  return (
    <FieldGroup
      legend="Headers"
      error={error}
      hint="Sent with each request, for a server that asks for a token of its own."
    >
      <div id={fieldId('headers')} tabIndex={-1} className={styles.headers}>
        {rows.map(({ row, name, value }, index) => (
          <div key={row} className={styles.header}>
            <input
              className={inputStyle}
              aria-label={`Name of header ${index + 1}`}
              placeholder="Name"
              value={name}
              readOnly={value === null}
              onChange={({ target }) => change(row, { name: target.value })}
              spellCheck={false}
              autoCapitalize="none"
            />
            {value === null ? (
              <Button onClick={() => change(row, { value: '' })} aria-label={`Replace the value of ${name}`}>
                Set, not shown: replace
              </Button>
            ) : (
              <input
                className={inputStyle}
                aria-label={`Value of header ${index + 1}`}
                placeholder="Value"
                value={value}
                onChange={({ target }) => change(row, { value: target.value })}
                spellCheck={false}
                autoCapitalize="none"
              />
            )}
            <IconButton
              icon="cross"
              label={`Remove header ${name || index + 1}`}
              onClick={() => onChange(rows.filter((each) => each.row !== row))}
            />
          </div>
        ))}
        <div>
          <Button icon="add" onClick={() => onChange([...rows, { row: next, name: '', value: '' }])}>
            Add header
          </Button>
        </div>
      </div>
    </FieldGroup>
  );
}
