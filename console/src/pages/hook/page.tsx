import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useParams } from '@tanstack/react-router';
import type { Hook, HookFigures } from '../../api/client.ts';
import { useMay, useWords } from '../../frame/session.ts';
import { toast, toastProblem } from '../../frame/toasts.tsx';
import { Button } from '../../parts/button.tsx';
import { Figure, Figures } from '../../parts/figure.tsx';
import { Icon } from '../../parts/icon.tsx';
import { IdText } from '../../parts/id-text.tsx';
import { Banner, NotLoaded, Skeleton } from '../../parts/notices.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { TimeText } from '../../parts/time-text.tsx';
import { UrlText } from '../../parts/url-text.tsx';
import { counted } from '../../words/dictionary.ts';
import { durationText } from '../../words/times.ts';
import { urlParts, visible } from '../../words/visible.ts';
import { HookMenu } from '../hooks/hook-actions.tsx';
import { figuresQuery, hookQuery, stateOf, usePatchHook } from '../hooks/hooks.ts';
import styles from './hook.module.css';

const FROM = '/signed-in/app/$app/hooks/$hook';

/** One hook: what is the matter with it, above its tabs. */
export function HookPage() {
  const { app, hook: id } = useParams({ from: FROM });
  const words = useWords();
  const navigate = useNavigate();
  const { data: hook, error, isPending, refetch } = useQuery(hookQuery(app, id));
  const { data: [figures] = [] } = useQuery(figuresQuery(app, [id]));
  if (isPending) return <Skeleton what={words.hook} rows={6} />;
  if (!hook) return <NotLoaded what={`this ${words.hook}`} error={error} onRetry={() => void refetch()} />;
  return (
    <>
      <PageHeader
        title={urlParts(hook.url).host}
        shown={<UrlText url={hook.url} />}
        above={
          <Link to="/app/$app/hooks" params={{ app }}>
            <Icon name="back" />
            {words.Hooks}
          </Link>
        }
        below={
          <>
            <StateBadge state={stateOf(hook, figures)} />
            <Since hook={hook} figures={figures} />
            {hook.description && <span>{visible(hook.description)}</span>}
            <IdText id={hook.id} what={`${words.hook} id`} />
          </>
        }
        actions={
          <HookMenu
            app={app}
            hook={hook}
            figures={figures}
            onDeleted={() => void navigate({ to: '/app/$app/hooks', params: { app } })}
          />
        }
      />
      <Status app={app} hook={hook} figures={figures} />
      <Numbers figures={figures} />
      <Tabs app={app} hook={hook.id} />
      <Outlet />
    </>
  );
}

const DISABLED_BY = {
  manual: 'by a person',
  gone: 'because it answered 410 Gone',
  failing: 'because it did nothing but fail',
};

function Since({ hook, figures }: { hook: Hook; figures: HookFigures | undefined }) {
  const { disabledAt, disabledReason, pausedAt } = hook;
  if (disabledAt) {
    return (
      <span>
        since <TimeText at={disabledAt} />
        {disabledReason && `, ${DISABLED_BY[disabledReason]}`}
      </span>
    );
  }
  const at = pausedAt ?? figures?.failingSince;
  return at ? (
    <span>
      since <TimeText at={at} />
    </span>
  ) : null;
}

/** One at most: what is the matter, and what to do. */
function Status({ app, hook, figures }: { app: string; hook: Hook; figures: HookFigures | undefined }) {
  const { Hook: name, hook: word } = useWords();
  const mayChange = useMay()('ManageEndpoint');
  const patch = usePatchHook(app, hook.id);
  const change = (fields: { disabled: false } | { paused: false }, done: string) => (
    <Button
      busy={patch.isPending}
      onClick={() =>
        patch.mutate(fields, {
          onSuccess: () => toast(`${name} ${done}`, { tone: 'good' }),
          onError: (error) => toastProblem(`${name} not ${done}`, error),
        })
      }
    >
      {done === 'enabled' ? `Enable ${word}` : `Resume ${word}`}
    </Button>
  );
  if (!figures) return null;
  const { state, held, pending, disablesAt, nextProbe } = figures;
  const holds = `${counted(held, 'delivery is', 'deliveries are')} held`;
  if (hook.disabled) {
    return (
      <div className={styles.banner}>
        <Banner
          tone={hook.disabledReason === 'manual' ? 'held' : 'failed'}
          action={mayChange && change({ disabled: false }, 'enabled')}
        >
          Disabled: nothing is sent.{' '}
          {held > 0 && `${holds} until somebody releases or discards ${held === 1 ? 'it' : 'them'}.`}
        </Banner>
      </div>
    );
  }
  if (hook.paused) {
    return (
      <div className={styles.banner}>
        <Banner tone="held" action={mayChange && change({ paused: false }, 'resumed')}>
          Paused:{' '}
          {held > 0
            ? `${holds}, and ${held === 1 ? 'goes' : 'go'} out when it is resumed.`
            : 'what comes is held, and goes out when it is resumed.'}
        </Banner>
      </div>
    );
  }
  if (state !== 'failing' && state !== 'breaker_open') return null;
  return (
    <div className={styles.banner}>
      <Banner tone="failed">
        {state === 'breaker_open'
          ? 'So many attempts failed in a row that only one delivery at a time tries it. '
          : 'The last attempt failed. '}
        {pending > 0 && `${counted(pending, 'delivery waits', 'deliveries wait')}. `}
        {nextProbe && (
          <>
            The next try is <TimeText at={nextProbe} as="relative" />.{' '}
          </>
        )}
        {disablesAt && (
          <>
            It is disabled at <TimeText at={disablesAt} /> if nothing gets through until then.
          </>
        )}
      </Banner>
    </div>
  );
}

function Numbers({ figures }: { figures: HookFigures | undefined }) {
  const all = figures ? figures.succeeded + figures.failed : 0;
  const none = figures ? '–' : '…';
  return (
    <Figures>
      <Figure
        label="Success, 24 h"
        value={all === 0 || !figures ? none : `${Math.floor((1_000 * figures.succeeded) / all) / 10} %`}
        detail={figures && (figures.failed > 0 ? `${figures.failed.toLocaleString()} failed` : 'None failed')}
        tone={figures && figures.failed > 0 && figures.state !== 'healthy' ? 'failed' : undefined}
      />
      <Figure
        label="Answers within"
        value={figures?.p95 ? durationText(Math.ceil(figures.p95)) : none}
        detail={figures?.p95 ? '95 in 100 of the last 24 h' : 'No answers in 24 h'}
      />
      <Figure
        label="Attempts, 24 h"
        value={figures ? all.toLocaleString() : none}
        detail={
          figures?.lastAttempt ? (
            <>
              Last <TimeText at={figures.lastAttempt.at} as="relative" />
            </>
          ) : (
            'None yet'
          )
        }
      />
      <Figure
        label="Waiting"
        value={figures ? (figures.pending + figures.sending + figures.held).toLocaleString() : none}
        detail={figures && (figures.held > 0 ? `${figures.held.toLocaleString()} held` : 'None held')}
        tone={figures && figures.held > 0 ? 'held' : undefined}
      />
    </Figures>
  );
}

/** Addresses of their own, so that each can be linked to. */
function Tabs({ app, hook }: { app: string; hook: string }) {
  const { hook: word } = useWords();
  const may = useMay();
  const params = { app, hook };
  const seesSecret = may('ViewEndpointSecret') || may('ManageEndpointSecret') || may('ManageEndpoint');
  return (
    <nav className={styles.tabs} aria-label={`About this ${word}`}>
      <Link to="/app/$app/hooks/$hook/overview" params={params}>
        Overview
      </Link>
      <Link to="/app/$app/hooks/$hook/attempts" params={params}>
        Attempts
      </Link>
      {seesSecret && (
        <Link to="/app/$app/hooks/$hook/secret" params={params}>
          Secret
        </Link>
      )}
      {may('ManageEndpoint') && (
        <Link to="/app/$app/hooks/$hook/settings" params={params}>
          Settings
        </Link>
      )}
    </nav>
  );
}
