import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import type { Hook, HookFigures } from '../../api/client.ts';
import { useMay, useWords } from '../../frame/session.ts';
import { useShortcut } from '../../frame/shortcuts.tsx';
import { useStore } from '../../frame/store.ts';
import { Button, LinkButton } from '../../parts/button.tsx';
import { type Column, DataTable } from '../../parts/data-table.tsx';
import { inputStyle } from '../../parts/field.tsx';
import { Empty, NothingFound, NotLoaded, Skeleton } from '../../parts/notices.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import { SearchField } from '../../parts/search-field.tsx';
import { StateBadge, stateWord } from '../../parts/state-badge.tsx';
import { TimeText } from '../../parts/time-text.tsx';
import { UrlText } from '../../parts/url-text.tsx';
import { counted } from '../../words/dictionary.ts';
import { visible } from '../../words/visible.ts';
import { hidden } from './deletion.ts';
import { HookMenu, HookSwitch } from './hook-actions.tsx';
import styles from './hooks.module.css';
import { figuresQuery, hooksQuery, stateOf } from './hooks.ts';

interface Row {
  readonly app: string;
  readonly hook: Hook;
  readonly figures: HookFigures | undefined;
}

const STATES = ['healthy', 'failing', 'paused', 'disabled'] as const;

export function HooksPage() {
  const { app } = useParams({ from: '/signed-in/app/$app/hooks' });
  const words = useWords();
  const mayAdd = useMay()('ManageEndpoint');
  const navigate = useNavigate();
  const [iterators, setIterators] = useState<readonly (string | null)[]>([null]);
  const page = useQuery(hooksQuery(app, iterators.at(-1) ?? null));
  const ids = page.data?.data.map(({ id }) => id) ?? [];
  const figures = useQuery(figuresQuery(app, ids));
  const gone = useStore(hidden);
  const add = () => void navigate({ to: '/app/$app/hooks/new', params: { app } });
  useShortcut('n', `Add ${words.hook}`, () => mayAdd && add());

  const rows: Row[] = (page.data?.data ?? [])
    .filter(({ id }) => !gone.has(id))
    .map((hook) => ({ app, hook, figures: figures.data?.find(({ id }) => id === hook.id) }));
  const isAll = iterators.length === 1 && page.data?.done !== false;
  const addButton = mayAdd && (
    <LinkButton to="/app/$app/hooks/new" params={{ app }} look="primary" icon="add">
      Add {words.hook}
    </LinkButton>
  );
  return (
    <>
      <PageHeader
        title={words.Hooks}
        below={page.data && rows.length > 0 ? <Summary rows={rows} isAll={isAll} /> : undefined}
        actions={rows.length > 0 && addButton}
      />
      {page.isPending && <Skeleton what={words.hooks} rows={5} />}
      {page.isError && (
        <NotLoaded what={words.hooks} error={page.error} onRetry={() => void page.refetch()} />
      )}
      {page.data && rows.length === 0 && isAll && (
        <Empty title={`No ${words.hooks} yet`} action={addButton}>
          A {words.hook} is a URL of yours that gets a signed message for each {words.type} it asks for, and
          again until it takes it.
        </Empty>
      )}
      {rows.length > 0 && <List rows={rows} />}
      {page.data && !isAll && (
        <div className={styles.pages}>
          <Button disabled={iterators.length === 1} onClick={() => setIterators(iterators.slice(0, -1))}>
            Previous {words.hooks}
          </Button>
          <Button disabled={page.data.done} onClick={() => setIterators([...iterators, page.data.iterator])}>
            More {words.hooks}
          </Button>
        </div>
      )}
    </>
  );
}

/** `3 web hooks, 1 failing`: what is wrong, before anything else. */
function Summary({ rows, isAll }: { rows: readonly Row[]; isAll: boolean }) {
  const words = useWords();
  const states = rows.map(({ hook, figures }) => stateOf(hook, figures));
  const parts = [
    [states.filter((each) => each === 'failing' || each === 'breaker_open').length, 'failing'],
    [states.filter((each) => each === 'paused').length, 'paused'],
    [states.filter((each) => each === 'disabled').length, 'disabled'],
  ].filter(([count]) => count !== 0);
  const all = `${counted(rows.length, words.hook, words.hooks)}${isAll ? '' : ' on this page'}`;
  return <p>{[all, ...parts.map(([count, word]) => `${count} ${word}`)].join(', ')}</p>;
}

function List({ rows }: { rows: readonly Row[] }) {
  const { state, q = '' } = useSearch({ from: '/signed-in/app/$app/hooks' });
  const words = useWords();
  const navigate = useNavigate({ from: '/app/$app/hooks' });
  const mayChange = useMay()('ManageEndpoint');
  const found = rows.filter(
    ({ hook, figures }) =>
      (state === undefined || isIn(state, stateOf(hook, figures))) &&
      `${hook.url} ${hook.description}`.toLowerCase().includes(q.toLowerCase()),
  );
  const filters = [state && stateWord(state).toLowerCase(), q && `“${visible(q)}”`]
    .filter(Boolean)
    .join(' and ');
  return (
    <>
      <Filters />
      {found.length === 0 ? (
        <NothingFound filters={filters} onClear={() => void navigate({ search: {} })} />
      ) : (
        <DataTable
          label={words.Hooks}
          columns={columnsFor(words.Types, mayChange)}
          rows={found}
          rowKey={({ hook }) => hook.id}
          link={({ app, hook }, children) => (
            <Link to="/app/$app/hooks/$hook/overview" params={{ app, hook: hook.id }}>
              {children}
            </Link>
          )}
        />
      )}
    </>
  );
}

function isIn(asked: (typeof STATES)[number], state: string): boolean {
  return asked === 'failing' ? state === 'failing' || state === 'breaker_open' : state === asked;
}

function Filters() {
  const { state, q = '' } = useSearch({ from: '/signed-in/app/$app/hooks' });
  const navigate = useNavigate({ from: '/app/$app/hooks' });
  const { hooks } = useWords();
  const field = useRef<HTMLInputElement>(null);
  useShortcut('/', 'Search', () => field.current?.focus());
  return (
    <search className={styles.filters}>
      <SearchField
        ref={field}
        label={`Search ${hooks}`}
        placeholder="Search URL or description"
        value={q}
        onChange={(text) =>
          void navigate({ search: (now) => ({ ...now, q: text || undefined }), replace: true })
        }
      />
      <select
        className={inputStyle}
        aria-label="State"
        value={state ?? ''}
        onChange={({ target }) =>
          void navigate({
            search: (now) => ({ ...now, state: STATES.find((each) => each === target.value) }),
            replace: true,
          })
        }
      >
        <option value="">All states</option>
        {STATES.map((each) => (
          <option key={each} value={each}>
            {stateWord(each)}
          </option>
        ))}
      </select>
    </search>
  );
}

function columnsFor(types: string, mayChange: boolean): Column<Row>[] {
  return [
    { id: 'url', title: 'URL', phone: 'main', cell: ({ hook }) => <Name hook={hook} /> },
    {
      id: 'state',
      title: 'State',
      phone: 'first',
      cell: ({ hook, figures }) => <StateBadge state={stateOf(hook, figures)} />,
    },
    { id: 'types', title: types, phone: 'hidden', cell: ({ hook }) => <Types hook={hook} /> },
    { id: 'success', title: 'Success 24 h', align: 'end', phone: 'second', cell: Success },
    { id: 'last', title: 'Last attempt', phone: 'second', cell: LastAttempt },
    { id: 'waiting', title: 'Waiting', align: 'end', phone: 'second', cell: Waiting },
    ...(mayChange
      ? ([
          {
            id: 'actions',
            title: 'Actions',
            quiet: true,
            align: 'end',
            phone: 'second',
            cell: (row) => (
              <span className={styles.actions}>
                <HookSwitch {...row} />
                <HookMenu {...row} />
              </span>
            ),
          },
        ] satisfies Column<Row>[])
      : []),
  ];
}

function Name({ hook }: { hook: Hook }) {
  return (
    <span className={styles.name}>
      <UrlText url={hook.url} />
      {hook.description && <span className={styles.description}>{visible(hook.description)}</span>}
    </span>
  );
}

const TYPES_SHOWN = 2;

function Types({ hook }: { hook: Hook }) {
  const { types } = useWords();
  if (hook.eventTypes === null) return <span className="muted">All {types}</span>;
  const more = hook.eventTypes.length - TYPES_SHOWN;
  return (
    <span title={hook.eventTypes.map((each) => visible(each)).join(', ')}>
      {hook.eventTypes
        .slice(0, TYPES_SHOWN)
        .map((each) => visible(each))
        .join(', ')}
      {more > 0 && <span className="muted"> and {more} more</span>}
    </span>
  );
}

function Success({ figures }: Row) {
  if (figures === undefined) return null;
  const all = figures.succeeded + figures.failed;
  if (all === 0) return <span className="muted">No attempts</span>;
  return (
    <span title={`${figures.succeeded.toLocaleString()} of ${counted(all, 'attempt')} succeeded`}>
      {percent(figures.succeeded, all)}
    </span>
  );
}

/** Never rounded up to all of them. */
function percent(part: number, all: number): string {
  if (part === all) return '100 %';
  return `${Math.min(99.9, Math.floor((1_000 * part) / all) / 10)} %`;
}

function LastAttempt({ figures }: Row) {
  if (!figures?.lastAttempt) return null;
  const { at, succeeded, status } = figures.lastAttempt;
  return (
    <span className={styles.last}>
      <TimeText at={at} as="relative" />
      {!succeeded && <span className={styles.bad}>{status ?? 'no answer'}</span>}
    </span>
  );
}

function Waiting({ figures }: Row) {
  if (figures === undefined) return null;
  const { pending, sending, held } = figures;
  const waits = pending + sending;
  if (waits + held === 0) return <span className={styles.none}>0</span>;
  return (
    <>
      {waits > 0 && waits.toLocaleString()}
      {/* The title of the column says it where there is one. */}
      {waits > 0 && <span className={styles.unit}> waiting</span>}
      {waits > 0 && held > 0 && ', '}
      {held > 0 && `${held.toLocaleString()} held`}
    </>
  );
}
