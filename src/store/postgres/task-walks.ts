import { type Endpoint, matches } from '../../model/endpoint.ts';
import type { Task } from '../../model/task.ts';
import { taskFilter, type Walk, type WalkBounds, type Walked } from '../task-walk.ts';
import type { Executor, Value } from './connection.ts';
import { MESSAGE_COST, MESSAGE_IS_WANTED, messageFilterValues } from './message-filter.ts';
import { named } from './named.ts';

interface Row {
  id: string;
  messageKey: number;
  wanted: boolean;
  cost: number;
  eventType: string;
  channels: string | null;
}

/** Rows behind this one, the first ones first; null: from the beginning. */
type Fetch = (last: Row | null, limit: number) => Promise<Row[]>;

/** Rows that are looked at by one statement: what lies behind the end of a step is looked at for nothing. */
const WINDOW_ROWS = 100;

const MESSAGES = named(
  `SELECT m.id, m.message_key AS "messageKey", ${MESSAGE_IS_WANTED} AS wanted, ${MESSAGE_COST} AS cost,
     m.event_type AS "eventType", m.channels
   FROM posthorn.message m
   WHERE m.application_key = @applicationKey::bigint AND m.id >= @position::text AND m.id > @last::text AND m.id < @to::text
   ORDER BY m.id LIMIT @limit::bigint`,
);
// A position is found by the index of ids alone when it is asked for as a range, in its order.
const HELD = named(
  `SELECT m.id, d.message_key AS "messageKey", 0 AS cost,
     m.id < @to::text AND (@heldFor::text IS NULL OR d.reason = @heldFor) AS wanted
   FROM posthorn.delivery d
   JOIN posthorn.message m ON m.application_key = d.application_key AND m.message_key = d.message_key
   WHERE d.application_key = @applicationKey::bigint AND d.endpoint_key = @sourceKey::bigint AND d.state = 4
     AND d.message_key > @last::bigint AND d.message_key >= coalesce((
       SELECT p.message_key FROM posthorn.message p
       WHERE p.application_key = @applicationKey AND p.id >= @position::text AND p.id <= @position
       ORDER BY p.id LIMIT 1), 0)
   ORDER BY d.message_key LIMIT @limit::bigint`,
);

/** What a task looks at next: messages by their ids, or what is held for an endpoint in the order of acceptance. */
export function walkTask(tx: Executor, task: Task, target: Endpoint, bounds: WalkBounds): Promise<Walk> {
  const { kind, filter, applicationKey, sourceKey, position, to } = task;
  const run = ({ statement, values }: typeof HELD, params: Record<string, Value>) =>
    tx.rows<Row>(statement, values(params));
  if (kind === 'release' || kind === 'discard') {
    const params = { sourceKey, applicationKey, position, to, heldFor: filter.heldFor ?? null };
    const fetch: Fetch = (last, limit) => run(HELD, { ...params, last: last?.messageKey ?? -1, limit });
    // What was published after the task began is not of it; ids and keys need not ascend together when a clock was set back.
    return walk(fetch, bounds, ({ wanted }) => wanted);
  }
  const params = { applicationKey, position, to, ...messageFilterValues(taskFilter(task)) };
  const fetch: Fetch = (last, limit) => run(MESSAGES, { ...params, last: last?.id ?? '', limit });
  return walk(fetch, bounds, ({ wanted, eventType, channels }) => {
    if (!wanted || kind !== 'replay-missing') return wanted;
    return matches(target, { eventType, channels: channels === null ? null : JSON.parse(channels) });
  });
}

/** Ends before the row with which one of the bounds would be passed. The first row is looked at whatever it costs. */
async function walk(
  fetch: Fetch,
  { scan, most }: WalkBounds,
  isWanted: (row: Row) => boolean,
): Promise<Walk> {
  const walked: Walked[] = [];
  let last: Row | null = null;
  let looked = 0;
  let found = 0;
  for (let more = true; more; ) {
    const limit = Math.min(WINDOW_ROWS, Math.max(1, scan - looked + 1));
    const rows: Row[] = await fetch(last, limit);
    for (const row of rows) {
      if (looked >= scan || found >= most) return { walked, next: row.id };
      looked += 1 + row.cost;
      const wanted = isWanted(row);
      if (wanted) found++;
      walked.push({ messageKey: row.messageKey, wanted });
    }
    last = rows.at(-1) ?? last;
    more = rows.length === limit;
  }
  return { walked, next: null };
}
