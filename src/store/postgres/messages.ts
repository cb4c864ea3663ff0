import type { Message } from '../../model/message.ts';
import { type MessageRow, message } from '../rows/message-row.ts';
import type { Scanned, Store } from '../store.ts';
import { bigints, storable } from './arrays.ts';
import type { Backend } from './backend.ts';
import { type Database, statement } from './connection.ts';
import { MESSAGE_COST, MESSAGE_IS_WANTED, messageFilterValues } from './message-filter.ts';
import { named } from './named.ts';
import { towardsNewest } from './pages.ts';
import { rowsOf, type ScanOf, scanBound, scanEdge, upToEdge } from './scan.ts';

/** With the length of its payload in bytes; null: expunged. */
type SizedRow = MessageRow & { octets: number | null };
type ListParams = Parameters<Store['messageList']>[0];
type CountParams = Parameters<Store['messageCount']>[0];
type Counted = Awaited<ReturnType<Store['messageCount']>>;

const COLUMNS = `m.message_key, m.application_key, m.id, m.event_id, m.event_type, m.channels, m.tags, m.deliver_at, m.expires_at,
  m.ordering_key, m.created_at, EXISTS (SELECT 1 FROM posthorn.delivery d
    WHERE d.application_key = m.application_key AND d.message_key = m.message_key OFFSET 0) AS matched`;

/** octet_length looks at a value's header, and reads no payload. */
const SIZED = `${COLUMNS}, octet_length(m.payload) AS octets`;

const FIND = statement(
  `SELECT ${COLUMNS}, m.payload FROM posthorn.message m WHERE m.application_key = $1 AND m.message_key = coalesce(
     (SELECT message_key FROM posthorn.message WHERE application_key = $1 AND id = $2 LIMIT 1),
     (SELECT message_key FROM posthorn.event_id WHERE application_key = $1 AND event_id = $2))`,
);

// OFFSET 0 has each row looked up by its whole key: else all messages of an application may be gone through for a few.
const PAYLOADS = statement(
  `SELECT m.message_key, m.payload FROM unnest($2::bigint[]) AS wanted (message_key)
   CROSS JOIN LATERAL (SELECT m.message_key, m.payload FROM posthorn.message m
     WHERE m.application_key = $1 AND m.message_key = wanted.message_key OFFSET 0) AS m`,
);

const scanOf = (range: string, direction: 'ASC' | 'DESC'): ScanOf => ({
  from: 'posthorn.message m',
  range: `m.application_key = @applicationKey::bigint AND ${range}`,
  direction,
  cost: MESSAGE_COST,
});

const listOf = (direction: 'ASC' | 'DESC') => {
  const of = scanOf("m.id < coalesce(@before::text, '~') AND m.id > coalesce(@after::text, '')", direction);
  const { from, range } = of;
  const end = `ORDER BY m.id ${direction} LIMIT @limit::bigint`;
  return {
    all: named(`SELECT ${SIZED} FROM ${from} WHERE ${range} ${end}`),
    wanted: named(
      `${scanEdge(of)}
       SELECT (SELECT id FROM edge) AS scanned_to, hit.* FROM (SELECT 1) AS one LEFT JOIN LATERAL (
         SELECT ${SIZED} FROM ${from} WHERE ${range} AND ${upToEdge(of)} AND ${MESSAGE_IS_WANTED} ${end}) AS hit ON true`,
    ),
  };
};
const LISTS = { newest: listOf('DESC'), oldest: listOf('ASC') };

const counted = scanOf('m.id >= @from::text AND m.id < @to::text', 'ASC');
const COUNT = named(
  `${scanEdge(counted)}
   SELECT (SELECT id FROM edge) AS "scannedTo", count(*) AS scanned, count(*) FILTER (WHERE ${MESSAGE_IS_WANTED}) AS count
   FROM ${counted.from} WHERE ${counted.range} AND ${upToEdge(counted)}`,
);

export function messages({ db }: Backend) {
  return {
    async messageFind({
      applicationKey,
      ref,
    }: {
      applicationKey: number;
      ref: string;
    }): Promise<Message | null> {
      if (ref.includes('\0')) return null;
      const row = await db.row<MessageRow & { payload: string | null }>(FIND, [applicationKey, ref]);
      return row === null ? null : message(row, row.payload);
    },
    async messageCount({ applicationKey, filter, from, to, scan }: CountParams): Promise<Counted> {
      const range = { applicationKey, from: storable(from), to: storable(to), scan };
      return (await db.row<Counted>(
        COUNT.statement,
        COUNT.values({ ...range, ...messageFilterValues(filter) }),
      )) as Counted;
    },
    async messageList(params: ListParams): Promise<Scanned<Message>> {
      const { applicationKey, withPayload, payloadCharacters } = params;
      const upwards = towardsNewest(params);
      const { rows, scannedTo } = await walk(db, params, upwards);
      const found = withPayload
        ? await filled(db, applicationKey, rows, payloadCharacters)
        : rows.map((row) => message(row, null));
      return {
        rows: upwards ? found.reverse() : found,
        // A page that its payloads ended goes on behind its last row, not behind all that was looked at.
        scannedTo: found.length < rows.length ? null : scannedTo,
      };
    },
  };
}

/** Without the payloads. */
async function walk(db: Database, params: ListParams, upwards: boolean): Promise<Scanned<SizedRow>> {
  const { applicationKey, before, after, limit, filter, scan } = params;
  const { all, wanted } = LISTS[upwards ? 'oldest' : 'newest'];
  const page = { applicationKey, before: before && storable(before), after: after && storable(after), limit };
  if (filter === undefined) {
    return { rows: await db.rows<SizedRow>(all.statement, all.values(page)), scannedTo: null };
  }
  const values = wanted.values({ ...page, scan: scanBound(scan), ...messageFilterValues(filter) });
  return rowsOf<SizedRow>(await db.rows(wanted.statement, values), limit);
}

/**
 * The messages with their payloads, up to the first that has no room. Lengths are known in bytes, and a character has one to
 * three: read are those for which there is room even if each byte is a character, and more when it turns out that there is room
 * left. So never much more is in memory than was asked for.
 */
async function filled(
  db: Database,
  applicationKey: number,
  rows: readonly SizedRow[],
  payloadCharacters = Number.POSITIVE_INFINITY,
): Promise<Message[]> {
  const found: Message[] = [];
  let characters = 0;
  while (found.length < rows.length) {
    const next = fitting(rows.slice(found.length), payloadCharacters - characters);
    const keys = next.filter(({ octets }) => octets !== null).map((row) => row.message_key);
    const read = keys.length === 0 ? [] : await db.rows<Payload>(PAYLOADS, [applicationKey, bigints(keys)]);
    const payloads = new Map(read.map((row) => [row.message_key, row.payload]));
    for (const row of next) {
      const payload = payloads.get(row.message_key) ?? null;
      found.push(message(row, payload));
      characters += payload?.length ?? 0;
      if (characters > payloadCharacters && found.length > 1) return found;
    }
  }
  return found;
}

interface Payload {
  message_key: number;
  payload: string | null;
}

/** The first rows, up to the one for which there may be no room. */
function fitting(rows: readonly SizedRow[], room: number): readonly SizedRow[] {
  let octets = 0;
  const last = rows.findIndex((row) => {
    octets += row.octets ?? 0;
    return octets > room;
  });
  return last === -1 ? rows : rows.slice(0, last + 1);
}
