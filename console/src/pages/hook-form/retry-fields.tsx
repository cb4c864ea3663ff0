import { Field, inputStyle } from '../../parts/field.tsx';
import { counted } from '../../words/dictionary.ts';
import { durationText } from '../../words/times.ts';
import { type Draft, delaysOf } from './draft.ts';
import styles from './hook-form.module.css';

const CHOICES = {
  default: 'As usual on this server',
  'help-desk': 'Help desk: 3 attempts, an hour apart',
  fast: 'Fast: given up within minutes',
  own: 'Waits of my own',
} as const;

/** When what failed is tried again, and over how long a time in all. */
export function RetryFields({
  draft,
  error,
  onChange,
}: {
  draft: Draft;
  error: string | undefined;
  onChange(fields: Partial<Draft>): void;
}) {
  const isOwn = draft.retries === 'own';
  return (
    <>
      <Field label="Retries" name={isOwn ? 'retries' : 'retrySchedule'} error={isOwn ? undefined : error}>
        {(control) => (
          <select
            {...control}
            className={inputStyle}
            value={draft.retries}
            onChange={({ target }) => onChange({ retries: target.value as Draft['retries'] })}
          >
            {Object.entries(CHOICES).map(([value, word]) => (
              <option key={value} value={value}>
                {word}
              </option>
            ))}
          </select>
        )}
      </Field>
      {isOwn && (
        <Field label="Waits" name="retrySchedule" error={error} hint={<Span text={draft.delays} />}>
          {(control) => (
            <input
              {...control}
              className={inputStyle}
              value={draft.delays}
              placeholder="5s, 5m, 30m, 2h"
              onChange={({ target }) => onChange({ delays: target.value })}
              spellCheck={false}
            />
          )}
        </Field>
      )}
    </>
  );
}

/** `8 attempts over about 27.6 h` */
function Span({ text }: { text: string }) {
  let delays: number[];
  try {
    delays = delaysOf(text);
  } catch {
    return 'Write waits such as 5s, 5m, 2h, with commas between.';
  }
  if (delays.length === 0) return 'No retries: an attempt that fails is the last.';
  const total = delays.reduce((sum, each) => sum + each, 0);
  return (
    <span className={styles.span}>
      {counted(delays.length + 1, 'attempt')} over about {durationText(total * 1_000)}
    </span>
  );
}
