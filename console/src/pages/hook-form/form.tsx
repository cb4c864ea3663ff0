import { useBlocker } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { Problem } from '../../api/problem.ts';
import { useWords } from '../../frame/session.ts';
import { toastProblem } from '../../frame/toasts.tsx';
import { Button } from '../../parts/button.tsx';
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx';
import { ErrorSummary, errorAt, Field, inputStyle } from '../../parts/field.tsx';
import { type Draft, Unread, urlProblem } from './draft.ts';
import { HeaderRows } from './header-rows.tsx';
import styles from './hook-form.module.css';
import { RetryFields } from './retry-fields.tsx';
import { TypePicker } from './type-picker.tsx';

const NO_ERRORS: ReadonlyMap<string, string> = new Map();

/**
 * A hook to be added or changed.
 * @param props.onSave rejects with a `Problem` whose fields are shown where they belong.
 */
export function HookForm(props: {
  initial: Draft;
  save: string;
  onSave(draft: Draft): Promise<void>;
  onCancel(): void;
}) {
  const { initial, save, onSave, onCancel } = props;
  const words = useWords();
  const [draft, setDraft] = useState(initial);
  const [errors, setErrors] = useState(NO_ERRORS);
  const [urlError, setUrlError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const isChanged = draft !== initial && JSON.stringify(draft) !== JSON.stringify(initial);
  const change = (fields: Partial<Draft>) => setDraft({ ...draft, ...fields });

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    const problem = urlProblem(draft.url);
    setUrlError(problem);
    if (problem !== undefined) {
      setErrors(new Map([['url', problem]]));
      return;
    }
    if (draft.types?.length === 0) {
      setErrors(new Map([['eventTypes', `Choose one ${words.type} at least, or all.`]]));
      return;
    }
    setBusy(true);
    try {
      await onSave(draft);
    } catch (error) {
      setBusy(false);
      setErrors(errorsOf(error));
    }
  };
  return (
    <form className={styles.form} onSubmit={submit} noValidate>
      <ErrorSummary
        errors={errors}
        labels={{
          url: 'URL',
          description: 'Description',
          eventTypes: words.Types,
          headers: 'Headers',
          throttleRate: 'Deliveries a second',
          maxInFlight: 'Requests at once',
          retrySchedule: 'Retries',
        }}
      />
      <Named draft={draft} errors={errors} urlError={urlError} onUrlError={setUrlError} onChange={change} />
      <TypePicker
        chosen={draft.types}
        error={errorAt(errors, 'eventTypes')}
        onChange={(types) => change({ types })}
      />
      <Advanced draft={draft} errors={errors} onChange={change} />
      <div className={styles.save}>
        <Button type="submit" look="primary" busy={busy}>
          {save}
        </Button>
        <Button onClick={onCancel}>Cancel</Button>
      </div>
      <LeaveGuard changed={isChanged && !busy} />
    </form>
  );
}

/** What it is called by. */
function Named(props: {
  draft: Draft;
  errors: ReadonlyMap<string, string>;
  urlError: string | undefined;
  onUrlError(problem: string | undefined): void;
  onChange(fields: Partial<Draft>): void;
}) {
  const { draft, errors, urlError, onUrlError, onChange } = props;
  return (
    <>
      <Field
        label="URL"
        name="url"
        error={urlError ?? errorAt(errors, 'url')}
        hint="Where the requests go: https, reachable from this server."
      >
        {(control) => (
          <input
            {...control}
            className={inputStyle}
            type="url"
            inputMode="url"
            value={draft.url}
            placeholder="https://example.com/hooks"
            onChange={({ target }) => onChange({ url: target.value })}
            onBlur={() => onUrlError(draft.url === '' ? undefined : urlProblem(draft.url))}
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
          />
        )}
      </Field>
      <Field label="Description" name="description" optional error={errorAt(errors, 'description')}>
        {(control) => (
          <input
            {...control}
            className={inputStyle}
            value={draft.description}
            onChange={({ target }) => onChange({ description: target.value })}
          />
        )}
      </Field>
    </>
  );
}

/** Asks before what was changed is lost. */
function LeaveGuard({ changed }: { changed: boolean }) {
  const leaving = useBlocker({
    shouldBlockFn: () => changed,
    enableBeforeUnload: changed,
    withResolver: true,
  });
  return (
    <ConfirmDialog
      open={leaving.status === 'blocked'}
      title="Leave without saving?"
      confirm="Leave page"
      cancel="Stay"
      onCancel={() => leaving.reset?.()}
      onConfirm={() => leaving.proceed?.()}
    >
      <p>What you changed on this page is lost.</p>
    </ConfirmDialog>
  );
}

function errorsOf(error: unknown): ReadonlyMap<string, string> {
  if (error instanceof Unread) return new Map([[error.place, error.message]]);
  if (error instanceof Problem && error.fields.size > 0) return error.fields;
  toastProblem('Not saved', error);
  return NO_ERRORS;
}

const ADVANCED = ['headers', 'throttleRate', 'maxInFlight', 'ordering', 'retrySchedule'];

/** What most leave as it is. It opens when something in it is refused. */
function Advanced({
  draft,
  errors,
  onChange,
}: {
  draft: Draft;
  errors: ReadonlyMap<string, string>;
  onChange(fields: Partial<Draft>): void;
}) {
  const { type } = useWords();
  const [open, setOpen] = useState(false);
  const refused = ADVANCED.some((name) => errorAt(errors, name) !== undefined);
  return (
    <details
      className={styles.advanced}
      open={open || refused}
      onToggle={({ currentTarget }) => setOpen(currentTarget.open)}
    >
      <summary>Headers, limits and retries</summary>
      <div className={styles.fields}>
        <HeaderRows
          rows={draft.headers}
          error={errorAt(errors, 'headers')}
          onChange={(headers) => onChange({ headers })}
        />
        <Limits draft={draft} errors={errors} onChange={onChange} />
        <Field label="Order" name="ordering" hint="In order, one that fails holds up those behind it.">
          {(control) => (
            <select
              {...control}
              className={inputStyle}
              value={draft.ordering}
              onChange={({ target }) => onChange({ ordering: target.value as Draft['ordering'] })}
            >
              <option value="none">As fast as it takes them</option>
              <option value="key">In order for each ordering key of an {type}</option>
              <option value="endpoint">In order, one after another</option>
            </select>
          )}
        </Field>
        <RetryFields draft={draft} error={errorAt(errors, 'retrySchedule')} onChange={onChange} />
      </div>
    </details>
  );
}

function Limits({
  draft,
  errors,
  onChange,
}: {
  draft: Draft;
  errors: ReadonlyMap<string, string>;
  onChange(fields: Partial<Draft>): void;
}) {
  const number = (name: 'throttleRate' | 'maxInFlight', label: string, hint: string) => (
    <Field label={label} name={name} error={errorAt(errors, name)} hint={hint}>
      {(control) => (
        <input
          {...control}
          className={inputStyle}
          inputMode="numeric"
          value={draft[name]}
          onChange={({ target }) => onChange({ [name]: target.value })}
        />
      )}
    </Field>
  );
  return (
    <div className={styles.pair}>
      {number('throttleRate', 'Deliveries a second', 'At most. Empty: no limit.')}
      {number('maxInFlight', 'Requests at once', 'At most. Empty: as usual.')}
    </div>
  );
}
