import { type ReactNode, useId } from 'react';
import styles from './field.module.css';
import { Icon } from './icon.tsx';

/** What ties a control to its label, hint and error: spread over the `input`. */
export interface ControlProps {
  id: string;
  'aria-describedby': string | undefined;
  'aria-invalid': boolean | undefined;
}

/**
 * A label, a control, and what is wrong with it.
 * @param props.name the place that the server names in `loc`: its errors land here.
 */
export function Field(props: {
  label: string;
  name: string;
  hint?: ReactNode;
  error?: string | undefined;
  optional?: boolean;
  children: (control: ControlProps) => ReactNode;
}) {
  const { label, name, hint, error, optional = false, children } = props;
  const base = useId();
  const [hintId, errorId] = [`${base}-hint`, `${base}-error`];
  const described = [error && errorId, hint && hintId].filter(Boolean).join(' ');
  const id = fieldId(name);
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={styles.label}>
        {label}
        {optional && <span className="muted"> (optional)</span>}
      </label>
      {children({ id, 'aria-describedby': described || undefined, 'aria-invalid': error ? true : undefined })}
      {error && <FieldError id={errorId}>{error}</FieldError>}
      {hint && (
        <p id={hintId} className={styles.hint}>
          {hint}
        </p>
      )}
    </div>
  );
}

function FieldError({ id, children }: { id: string; children: string }) {
  return (
    <p id={id} className={styles.error}>
      <Icon name="cross" size={14} />
      {children}
    </p>
  );
}

export function fieldId(name: string): string {
  return `field-${name.replaceAll('.', '-')}`;
}

/** Several controls that are one choice. */
export function FieldGroup({
  legend,
  hint,
  error,
  children,
}: {
  legend: string;
  hint?: ReactNode;
  error?: string | undefined;
  children: ReactNode;
}) {
  const base = useId();
  return (
    <fieldset className={styles.group} aria-describedby={error ? base : undefined}>
      <legend className={styles.label}>{legend}</legend>
      {hint && <p className={styles.hint}>{hint}</p>}
      {error && <FieldError id={base}>{error}</FieldError>}
      {children}
    </fieldset>
  );
}

export const inputStyle = styles.input as string;

/** What the server refused, at the top of a form; each leads to its field. It takes the focus when it appears. */
export function ErrorSummary({
  errors,
  labels,
}: {
  errors: ReadonlyMap<string, string>;
  labels: Readonly<Record<string, string>>;
}) {
  if (errors.size === 0) return null;
  return (
    <div className={styles.summary} role="alert" tabIndex={-1} ref={(element) => element?.focus()}>
      <p>Not saved. Please look at:</p>
      <ul>
        {[...errors].map(([place, message]) => {
          const name = Object.keys(labels).find((each) => place === each || place.startsWith(`${each}.`));
          return (
            <li key={place}>
              {name === undefined ? (
                message
              ) : (
                <a href={`#${fieldId(name)}`}>{`${labels[name]}: ${message}`}</a>
              )}
            </li>
          );
        })}
      </ul>
    </div>
  );
}

/** The error of a field, or of anything within it. */
export function errorAt(errors: ReadonlyMap<string, string>, name: string): string | undefined {
  for (const [place, message] of errors) if (place === name || place.startsWith(`${name}.`)) return message;
  return undefined;
}
