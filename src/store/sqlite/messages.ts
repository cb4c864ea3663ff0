import type { Message } from '../../model/message.ts';
import { type MessageRow, message } from '../rows/message-row.ts';
import type { MessageFilter, Scanned, Store } from '../store.ts';
import type { Connection } from './connection.ts';
import { MESSAGE_COST, MESSAGE_IS_WANTED, messageFilterValues } from './message-filter.ts';
import { towardsNewest } from './pages.ts';
import { type ScannedRow, scan } from './scan.ts';

type FullRow = MessageRow & { payload: string | null };
type ListParams = Parameters<Store['messageList']>[0];
type CountParams = Parameters<Store['messageCount']>[0];
type Counted = Awaited<ReturnType<Store['messageCount']>>;

/** In the order they are inserted. */
export const MESSAGE_COLUMNS = [
  'message_key',
  'application_key',
  'id',
  'event_id',
  'event_type',
  'channels',
  'tags',
  'deliver_at',
  'expires_at',
  'ordering_key',
  'payload_until',
  'created_at',
  'payload',
];

export function messages(connection: Connection) {
  const { byId, byEventId, lists, scans, counts, byKey } = prepare(connection);

  /** One by one: what the page has no room for is not read. */
  function page(rows: Iterable<FullRow>, payloadCharacters = Number.POSITIVE_INFINITY): Message[] {
    const found: Message[] = [];
    let characters = 0;
    for (const row of rows) {
      found.push(message(row, row.payload));
      characters += row.payload?.length ?? 0;
      if (characters > payloadCharacters && found.length > 1) break;
    }
    return found;
  }

  function filtered(params: ListParams, filter: MessageFilter, upwards: boolean): Scanned<Message> {
    const { applicationKey, before, after, limit, scan: bound = Number.POSITIVE_INFINITY } = params;
    const values = { applicationKey, before, after, ...messageFilterValues(filter) };
    const rows = scans[upwards ? 'oldest' : 'newest'].iterate(values) as Iterable<ScannedRow>;
    const { keys, scannedTo } = scan(rows, limit, bound);
    const full = byKey[params.withPayload ? 'with' : 'without'];
    const found = page(
      each(keys, (key) => full.get(key) as FullRow),
      params.payloadCharacters,
    );
    // A page that its payloads ended goes on behind its last row, not behind all that was looked at.
    return { rows: found, scannedTo: found.length < keys.length ? null : scannedTo };
  }

  return {
    messageFind({ applicationKey, ref }: { applicationKey: number; ref: string }): Message | null {
      const row = (byId.get(applicationKey, ref) ?? byEventId.get(applicationKey, ref)) as
        | FullRow
        | undefined;
      return row === undefined ? null : message(row, row.payload);
    },
    messageCount({ scan: bound, filter, ...params }: CountParams): Counted {
      const counted = { count: 0, scanned: 0 };
      let looked = 0;
      const rows = counts.iterate({ ...params, ...messageFilterValues(filter) }) as Iterable<ScannedRow>;
      for (const [id, , hit, cost] of rows) {
        counted.scanned++;
        counted.count += hit;
        looked += 1 + cost;
        if (looked >= bound) return { ...counted, scannedTo: id };
      }
      return { ...counted, scannedTo: null };
    },
    messageList(params: ListParams): Scanned<Message> {
      const upwards = towardsNewest(params);
      const { filter, withPayload, applicationKey, before, after, limit, payloadCharacters } = params;
      const list = () => {
        const statement = lists[upwards ? 'oldest' : 'newest'][withPayload ? 'with' : 'without'];
        const rows = statement.iterate(applicationKey, before, after, limit) as Iterable<FullRow>;
        return { rows: page(rows, payloadCharacters), scannedTo: null };
      };
      const found = filter === undefined ? list() : filtered(params, filter, upwards);
      return upwards ? { ...found, rows: found.rows.reverse() } : found;
    },
  };
}

function* each<Key, Value>(keys: readonly Key[], read: (key: Key) => Value): Iterable<Value> {
  for (const key of keys) yield read(key);
}

function prepare(connection: Connection) {
  // What is stored behind the payload would have it walked through: see the migration.
  const behind = ['deliver_at', 'expires_at', 'ordering_key', 'payload_until', 'payload'];
  const read = MESSAGE_COLUMNS.filter((name) => !behind.includes(name)).join(', ');
  const indexed = ['deliver_at', 'expires_at', 'ordering_key'];
  const fromIndex = indexed.map(
    (name) => `(SELECT ${name} FROM message other INDEXED BY message_${name}
    WHERE other.message_key = message.message_key AND other.${name} IS NOT NULL) AS ${name}`,
  );
  const matched = 'EXISTS (SELECT 1 FROM delivery d WHERE d.message_key = message.message_key) AS matched';
  const columns = {
    with: `${read}, ${matched}, ${indexed.join(', ')}, payload`,
    without: `${read}, ${matched}, ${fromIndex.join(', ')}, NULL AS payload`,
  };
  const find = (column: 'id' | 'event_id') =>
    connection.prepare(`SELECT ${columns.with} FROM message WHERE application_key = ? AND ${column} = ?`);
  const list = (selected: string, direction: 'ASC' | 'DESC') =>
    connection.prepare(
      `SELECT ${selected} FROM message WHERE application_key = ? AND id < coalesce(?, '~') AND id > coalesce(?, '')
       ORDER BY id ${direction} LIMIT ?`,
    );
  const lists = (direction: 'ASC' | 'DESC') => ({
    with: list(columns.with, direction),
    without: list(columns.without, direction),
  });
  const scan = (range: string, direction: 'ASC' | 'DESC') =>
    connection
      .prepare(
        `SELECT m.id, m.message_key, iif(${MESSAGE_IS_WANTED}, 1, 0), coalesce(${MESSAGE_COST}, 0)
         FROM message m WHERE m.application_key = @applicationKey AND ${range} ORDER BY m.id ${direction}`,
      )
      .raw();
  const scans = (direction: 'ASC' | 'DESC') =>
    scan("m.id < coalesce(@before, '~') AND m.id > coalesce(@after, '')", direction);
  const byKey = (selected: string) =>
    connection.prepare(`SELECT ${selected} FROM message WHERE message_key = ?`);
  return {
    byId: find('id'),
    byEventId: find('event_id'),
    lists: { newest: lists('DESC'), oldest: lists('ASC') },
    scans: { newest: scans('DESC'), oldest: scans('ASC') },
    counts: scan('m.id >= @from AND m.id < @to', 'ASC'),
    byKey: { with: byKey(columns.with), without: byKey(columns.without) },
  };
}
