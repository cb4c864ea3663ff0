import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import type { Hook } from '../../api/client.ts';
import { useWords } from '../../frame/session.ts';
import { Fact, Facts } from '../../parts/figure.tsx';
import { IdText } from '../../parts/id-text.tsx';
import { Empty, NotLoaded, Skeleton } from '../../parts/notices.tsx';
import { TimeText } from '../../parts/time-text.tsx';
import { counted } from '../../words/dictionary.ts';
import { durationText } from '../../words/times.ts';
import { visible } from '../../words/visible.ts';
import { hookQuery } from '../hooks/hooks.ts';
import { AttemptTable } from './attempt-table.tsx';
import { attemptsQuery } from './attempts-query.ts';
import styles from './hook.module.css';

const LATEST = 5;

export function HookOverview() {
  const { app, hook: id } = useParams({ from: '/signed-in/app/$app/hooks/$hook/overview' });
  const { data: hook } = useQuery(hookQuery(app, id));
  return (
    <>
      <Latest app={app} hook={id} />
      {hook && <About hook={hook} />}
    </>
  );
}

function Latest({ app, hook }: { app: string; hook: string }) {
  const { hook: word, type } = useWords();
  const { data, error, isPending, refetch } = useQuery(
    attemptsQuery({ app, hook, iterator: null, limit: LATEST }),
  );
  return (
    <section className={styles.section} aria-labelledby="latest">
      <h2 id="latest">Latest attempts</h2>
      {isPending && <Skeleton what="attempts" />}
      {error && <NotLoaded what="attempts" error={error} onRetry={() => void refetch()} />}
      {data?.data.length === 0 && (
        <Empty title="No attempts yet">
          As soon as something happens that this {word} asks for, its {type} and what your server answered
          stand here.
        </Empty>
      )}
      {data && data.data.length > 0 && <AttemptTable attempts={data.data} />}
      {data?.done === false && (
        <Link to="/app/$app/hooks/$hook/attempts" params={{ app, hook }}>
          All attempts
        </Link>
      )}
    </section>
  );
}

function About({ hook }: { hook: Hook }) {
  const { type, types, Types } = useWords();
  return (
    <section className={styles.section} aria-labelledby="about">
      <h2 id="about">How it is delivered to</h2>
      <Facts>
        <Fact name={Types}>
          {hook.eventTypes === null ? (
            `All ${types}, those that are still to come too`
          ) : (
            <ul className={styles.types}>
              {hook.eventTypes.map((each) => (
                <li key={each}>
                  <code>{visible(each)}</code>
                </li>
              ))}
            </ul>
          )}
        </Fact>
        {hook.channels && (
          <Fact name="Channels">{hook.channels.map((each) => visible(each)).join(', ')}</Fact>
        )}
        <Fact name="Retries">{retriesText(hook)}</Fact>
        <Fact name="At once">{counted(hook.maxInFlight, 'request')} at most</Fact>
        {hook.throttleRate !== null && (
          <Fact name="A second">{counted(hook.throttleRate, 'delivery', 'deliveries')} at most</Fact>
        )}
        {hook.ordering !== 'none' && (
          <Fact name="Order">
            {hook.ordering === 'endpoint'
              ? 'One after another, in the order of publishing'
              : `One after another for each ordering key of an ${type}`}
          </Fact>
        )}
        <Fact name="Web Hooks API id">
          <IdText id={hook.webHookId} />
        </Fact>
        <Fact name="Added">
          <TimeText at={hook.createdAt} />
        </Fact>
      </Facts>
    </section>
  );
}

function retriesText({ retrySchedule: { delaysSeconds } }: Hook): string {
  if (delaysSeconds.length === 0) return 'None: an attempt that fails is the last';
  const waits = delaysSeconds.map((each) => durationText(each * 1_000)).join(', ');
  const span = durationText(delaysSeconds.reduce((total, each) => total + each, 0) * 1_000);
  return `${counted(delaysSeconds.length + 1, 'attempt')} over about ${span}, with waits of ${waits}`;
}
