import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { useWords } from '../../frame/session.ts';
import { Button } from '../../parts/button.tsx';
import { inputStyle } from '../../parts/field.tsx';
import { Empty, NothingFound, NotLoaded, Skeleton } from '../../parts/notices.tsx';
import { SearchField } from '../../parts/search-field.tsx';
import { visible } from '../../words/visible.ts';
import { AttemptTable } from './attempt-table.tsx';
import { attemptsQuery } from './attempts-query.ts';
import styles from './hook.module.css';

const FROM = '/signed-in/app/$app/hooks/$hook/attempts';
const PAGE_ROWS = 50;
const OUTCOMES = { succeeded: 'Succeeded', failed: 'Failed' } as const;
const STATUSES = { '2xx': '2xx', '3xx': '3xx', '4xx': '4xx', '5xx': '5xx', none: 'No answer' } as const;

export function HookAttempts() {
  const { app, hook } = useParams({ from: FROM });
  const filter = useSearch({ from: FROM });
  return (
    <>
      <h2 className="unseen">Attempts</h2>
      <Filters />
      {/* A page belongs to the filter that it was come to by. */}
      <Attempts key={JSON.stringify(filter)} app={app} hook={hook} />
    </>
  );
}

function Attempts({ app, hook }: { app: string; hook: string }) {
  const { hook: word, type: typeWord } = useWords();
  const filter = useSearch({ from: FROM });
  const navigate = useNavigate({ from: '/app/$app/hooks/$hook/attempts' });
  const [iterators, setIterators] = useState<readonly (string | null)[]>([null]);
  const query = attemptsQuery({ app, hook, iterator: iterators.at(-1) ?? null, limit: PAGE_ROWS, filter });
  const { data, error, isPending, refetch } = useQuery(query);
  const { outcome, status, type } = filter;
  const named = [
    outcome && OUTCOMES[outcome].toLowerCase(),
    status && STATUSES[status],
    type && `“${visible(type)}”`,
  ]
    .filter(Boolean)
    .join(' and ');
  const isFirst = iterators.length === 1;
  return (
    <>
      {isPending && <Skeleton what="attempts" rows={6} />}
      {error && <NotLoaded what="attempts" error={error} onRetry={() => void refetch()} />}
      {data?.data.length === 0 &&
        data.done &&
        (named === '' ? (
          <Empty title="No attempts yet">
            As soon as something happens that this {word} asks for, its {typeWord} and what your server
            answered stand here.
          </Empty>
        ) : (
          <NothingFound filters={named} onClear={() => void navigate({ search: {} })} />
        ))}
      {data && data.data.length > 0 && <AttemptTable attempts={data.data} />}
      {data && !(isFirst && data.done) && (
        <div className={styles.pages}>
          <Button disabled={isFirst} onClick={() => setIterators(iterators.slice(0, -1))}>
            Newer attempts
          </Button>
          <Button disabled={data.done} onClick={() => setIterators([...iterators, data.iterator])}>
            Older attempts
          </Button>
        </div>
      )}
    </>
  );
}

function Filters() {
  const { type: typeWord } = useWords();
  const { outcome, status, type } = useSearch({ from: FROM });
  const navigate = useNavigate({ from: '/app/$app/hooks/$hook/attempts' });
  return (
    <search className={styles.filters}>
      <Choice
        label="Outcome"
        all="All outcomes"
        value={outcome}
        words={OUTCOMES}
        onChange={(next) => void navigate({ search: (now) => ({ ...now, outcome: next }) })}
      />
      <Choice
        label="Answer"
        all="All answers"
        value={status}
        words={STATUSES}
        onChange={(next) => void navigate({ search: (now) => ({ ...now, status: next }) })}
      />
      <SearchField
        label={typeWord}
        placeholder={`Any ${typeWord}, or ticket.*`}
        value={type ?? ''}
        onChange={(text) =>
          void navigate({ search: (now) => ({ ...now, type: text.trim() || undefined }), replace: true })
        }
      />
    </search>
  );
}

function Choice<Value extends string>(props: {
  label: string;
  all: string;
  value: Value | undefined;
  words: Readonly<Record<Value, string>>;
  onChange(value: Value | undefined): void;
}) {
  const { label, all, value, words, onChange } = props;
  const values = Object.keys(words) as Value[];
  return (
    <select
      className={inputStyle}
      aria-label={label}
      value={value ?? ''}
      onChange={({ target }) => onChange(values.find((each) => each === target.value))}
    >
      <option value="">{all}</option>
      {values.map((each) => (
        <option key={each} value={each}>
          {words[each]}
        </option>
      ))}
    </select>
  );
}
