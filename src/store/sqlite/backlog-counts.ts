import type { BacklogCount, Store } from '../store.ts';
import type { Connection } from './connection.ts';

type CountParams = Parameters<Store['deliveryBacklogCount']>[0];
type State = Exclude<keyof BacklogCount, 'oldestDueAt'>;

/** Each is the condition of an index that has nothing else. */
const CONDITIONS = {
  timed: 'd.state = 0 AND d.next_attempt_at IS NOT NULL',
  waiting: 'd.state = 0 AND d.next_attempt_at IS NULL',
  sending: 'd.state = 1 AND d.next_attempt_at IS NOT NULL',
  held: 'd.state = 4',
  failed: 'd.state = 3',
};
/** Of an application its endpoints are gone through: no index of deliveries leads with it. */
const FROM = {
  all: 'delivery d WHERE',
  endpoint: 'delivery d WHERE d.endpoint_key = @endpointKey AND',
  application: `endpoint e CROSS JOIN delivery d WHERE e.application_key = @applicationKey AND e.deleted_at IS NULL
    AND d.endpoint_key = e.endpoint_key AND`,
};
/** What is due, of one state and one endpoint. */
const OLDEST = (state: number, endpointKey: string) =>
  `(SELECT min(next_attempt_at) FROM delivery WHERE state = ${state} AND endpoint_key = ${endpointKey}
    AND next_attempt_at IS NOT NULL)`;

export function backlogCounts(connection: Connection) {
  const count = counting(connection);
  const oldest = findingOldest(connection);
  return {
    deliveryBacklogCount({ of, limit, now }: CountParams): BacklogCount {
      const scope =
        of.endpointKey !== undefined ? 'endpoint' : of.applicationKey !== undefined ? 'application' : 'all';
      const oldestDueAt = oldest[scope](of);
      return {
        ...count(scope, { ...of, limit }),
        oldestDueAt: oldestDueAt !== null && oldestDueAt <= now ? oldestDueAt : null,
      };
    },
  };
}

type Scope = keyof typeof FROM;

function counting(connection: Connection) {
  const countsOf = (from: string) => {
    const count = (condition: string) =>
      connection.prepare(`SELECT count(*) FROM (SELECT 1 FROM ${from} ${condition} LIMIT @limit)`).pluck();
    return {
      timed: count(CONDITIONS.timed),
      waiting: count(CONDITIONS.waiting),
      sending: count(CONDITIONS.sending),
      held: count(CONDITIONS.held),
      failed: count(CONDITIONS.failed),
    };
  };
  const statements = {
    all: countsOf(FROM.all),
    endpoint: countsOf(FROM.endpoint),
    application: countsOf(FROM.application),
  };
  return (scope: Scope, values: CountParams['of'] & { limit: number }): Record<State, number> => {
    const count = (name: keyof typeof CONDITIONS) => statements[scope][name].get(values) as number;
    const pending = Math.min(values.limit, count('timed') + count('waiting'));
    return { pending, sending: count('sending'), held: count('held'), failed: count('failed') };
  };
}

function findingOldest(connection: Connection): Record<Scope, (of: CountParams['of']) => number | null> {
  const one = [0, 1].map((state) => connection.prepare(`SELECT ${OLDEST(state, '@endpointKey')}`).pluck());
  const ofApplication = [0, 1].map((state) =>
    connection
      .prepare(
        `SELECT min(${OLDEST(state, 'e.endpoint_key')}) FROM endpoint e
         WHERE e.application_key = @applicationKey AND e.deleted_at IS NULL`,
      )
      .pluck(),
  );
  const walks = [0, 1].map((state) =>
    connection
      .prepare(
        `SELECT endpoint_key, next_attempt_at FROM delivery
         WHERE state = ${state} AND endpoint_key > ? AND next_attempt_at IS NOT NULL
         ORDER BY endpoint_key, next_attempt_at LIMIT 1`,
      )
      .raw(),
  );
  const least = (times: readonly (number | null)[]) =>
    times.reduce((low, time) => (time !== null && (low === null || time < low) ? time : low), null);
  return {
    endpoint: (of) => least(one.map((each) => each.get(of) as number | null)),
    application: (of) => least(ofApplication.map((each) => each.get(of) as number | null)),
    all() {
      const times: number[] = [];
      for (const walk of walks) {
        let next = walk.get(-1) as [endpointKey: number, at: number] | undefined;
        for (; next !== undefined; next = walk.get(next[0]) as typeof next) times.push(next[1]);
      }
      return least(times);
    },
  };
}
