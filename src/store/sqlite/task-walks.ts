import { type Endpoint, matches } from '../../model/endpoint.ts';
import type { Task } from '../../model/task.ts';
import { taskFilter, type Walk, type WalkBounds, type Walked } from '../task-walk.ts';
import type { Connection } from './connection.ts';
import { MESSAGE_COST, MESSAGE_IS_WANTED, messageFilterValues } from './message-filter.ts';

interface Row {
  id: string;
  messageKey: number;
  wanted: 0 | 1;
  cost: number;
  eventType: string;
  channels: string | null;
}

/** What a task looks at next: messages by their ids, or what is held for an endpoint in the order of acceptance. */
export function taskWalks(connection: Connection) {
  const messages = connection.prepare(
    `SELECT m.id, m.message_key AS messageKey, iif(${MESSAGE_IS_WANTED}, 1, 0) AS wanted, coalesce(${MESSAGE_COST}, 0) AS cost,
       m.event_type AS eventType, m.channels
     FROM message m WHERE m.application_key = @applicationKey AND m.id >= @position AND m.id < @to ORDER BY m.id`,
  );
  const held = connection.prepare(
    `SELECT m.id, d.message_key AS messageKey, iif(m.id < @to AND (@heldFor IS NULL OR d.reason = @heldFor), 1, 0) AS wanted, 0 AS cost
     FROM delivery d JOIN message m ON m.message_key = d.message_key
     WHERE d.state = 4 AND d.endpoint_key = @sourceKey AND d.message_key >=
       coalesce((SELECT message_key FROM message WHERE application_key = @applicationKey AND id = @position), 0)
     ORDER BY d.message_key`,
  );

  return (task: Task, target: Endpoint, bounds: WalkBounds): Walk => {
    const { kind, filter, applicationKey, sourceKey, position, to } = task;
    if (kind === 'release' || kind === 'discard') {
      const values = { sourceKey, applicationKey, position, to, heldFor: filter.heldFor ?? null };
      const rows = held.iterate(values) as Iterable<Row>;
      // What was published after the task began is not of it; ids and keys need not ascend together when a clock was set back.
      return walk(rows, bounds, ({ wanted }) => wanted === 1);
    }
    const values = { applicationKey, position, to, ...messageFilterValues(taskFilter(task)) };
    return walk(messages.iterate(values) as Iterable<Row>, bounds, ({ wanted, eventType, channels }) => {
      if (wanted === 0 || kind !== 'replay-missing') return wanted === 1;
      return matches(target, { eventType, channels: channels === null ? null : JSON.parse(channels) });
    });
  };
}

/** Ends before the row with which one of the bounds would be passed. The first row is looked at whatever it costs. */
function walk(rows: Iterable<Row>, { scan, most }: WalkBounds, isWanted: (row: Row) => boolean): Walk {
  const walked: Walked[] = [];
  let looked = 0;
  let found = 0;
  for (const row of rows) {
    if (looked >= scan || found >= most) return { walked, next: row.id };
    looked += 1 + row.cost;
    const wanted = isWanted(row);
    if (wanted) found++;
    walked.push({ messageKey: row.messageKey, wanted });
  }
  return { walked, next: null };
}
