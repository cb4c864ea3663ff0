import { closeSync, fsyncSync, openSync } from 'node:fs';
import Database from 'better-sqlite3';
import { createIds } from '../src/model/id.ts';
import { systemClock } from '../src/system/clock.ts';
import { systemRandom } from '../src/system/random.ts';
import { monotonicMs, pause } from './clock.ts';
import { figure } from './table.ts';

export interface Multiplying {
  /** Of a store that nobody has open. */
  readonly file: string;
  /** The key of message 0; that of message n is n more. */
  readonly oldestKey: number;
  /** Messages that are there. */
  readonly head: number;
  /** Messages that there are to be. */
  readonly count: number;
  /** When message n was published, in ms since the Unix epoch. */
  readonly timeOf: (number: number) => number;
  /** Messages whose delivery failed as that of message 0 did. */
  readonly failed: readonly number[];
}

/** What is not the same in a copy. `@by` is how far it is from what it is copied from. */
const CHANGES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  message: {
    message_key: 'message_key + @by',
    id: `new_id('msg', message_key + @by)`,
    event_id: `iif(event_id IS NULL, NULL, 'event-' || (message_key + @by - @oldestKey))`,
    created_at: 'time_of(message_key + @by)',
  },
  delivery: { message_key: 'message_key + @by' },
  attempt: {
    attempt_key: 'NULL',
    message_key: 'message_key + @by',
    id: `new_id('atmpt', message_key + @by)`,
    started_at: 'time_of(message_key + @by)',
  },
};
const COMMIT_MESSAGES = 100_000;
const PROGRESS_MS = 10_000;

/**
 * Copies messages with their deliveries and attempts in SQLite until there are enough: whole rows as they are, but for keys, ids and
 * times, which ascend as they do in life. Without a journal, as nobody needs the file when this fails.
 */
export async function multiply(multiplying: Multiplying): Promise<void> {
  const { file, oldestKey, head, count, failed } = multiplying;
  if (count <= head) return;
  const database = new Database(file, { fileMustExist: true });
  try {
    for (const setting of ['journal_mode = OFF', 'synchronous = OFF', 'cache_size = -262144'])
      database.pragma(setting);
    addFunctions(database, multiplying);
    const copies = Object.keys(CHANGES).map((table) => copying(database, table, oldestKey));
    // The oldest message is like no other, so the copies begin with the second.
    const copied = head - 1;
    let progressAt = monotonicMs() + PROGRESS_MS;
    for (let next = head; next < count; ) {
      database.transaction(() => {
        for (const end = Math.min(count, next + COMMIT_MESSAGES); next < end; next += copied) {
          const most = Math.min(copied, count - next);
          for (const copy of copies) copy.run({ by: next - 1, oldestKey, last: oldestKey + most });
        }
      })();
      next = Math.min(next, count);
      if (monotonicMs() > progressAt) {
        progressAt += PROGRESS_MS;
        console.error(`    filled ${figure(next)} of ${figure(count)}`);
      }
      // Lets signals and the timer that gives up have their turn.
      await pause(0);
    }
    for (const number of failed) if (number >= head) fail(database, oldestKey, oldestKey + number);
    database.pragma('journal_mode = WAL');
  } finally {
    database.close();
  }
  // What the system still has to write would be written while something is measured.
  const written = openSync(file, 'r+');
  fsyncSync(written);
  closeSync(written);
}

function addFunctions(database: Database.Database, { oldestKey, timeOf }: Multiplying): void {
  let at = 0;
  const clock = { ...systemClock, now: () => at };
  const ids = { msg: createIds(clock, systemRandom), atmpt: createIds(clock, systemRandom) };
  database.function('new_id', (prefix: 'msg' | 'atmpt', key: number) => {
    at = timeOf(key - oldestKey);
    return ids[prefix].next(prefix);
  });
  database.function('time_of', (key: number) => timeOf(key - oldestKey));
}

/** The rows to copy are taken aside first: to read and write one table at once, SQLite would copy them each time. */
function copying(database: Database.Database, table: string, oldestKey: number): Database.Statement {
  const changes = CHANGES[table] as Readonly<Record<string, string>>;
  const columns = database.prepare('SELECT name FROM pragma_table_info(?)').pluck().all(table) as string[];
  database.exec(
    `CREATE TEMP TABLE head_${table} AS SELECT * FROM ${table} WHERE message_key > ${oldestKey} ORDER BY message_key`,
  );
  const values = columns.map((column) => changes[column] ?? column);
  return database.prepare(
    `INSERT INTO ${table} (${columns.join(', ')}) SELECT ${values.join(', ')} FROM head_${table}
     WHERE message_key <= @last ORDER BY rowid`,
  );
}

/** As message 0 failed at the same endpoint. */
function fail(database: Database.Database, oldestKey: number, key: number): void {
  for (const [table, columns] of [
    ['delivery', 'state, reason'],
    ['attempt', 'status, body'],
  ]) {
    database
      .prepare(
        `UPDATE ${table} SET (${columns}) = (SELECT ${columns} FROM ${table} AS oldest
           WHERE message_key = ? AND oldest.endpoint_key = ${table}.endpoint_key) WHERE message_key = ?`,
      )
      .run(oldestKey, key);
  }
}
