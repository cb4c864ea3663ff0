import { type Executor, unprepared } from './connection.ts';

/** What one transaction at a time does, by the second number of its advisory lock. Those of lines are from 0 on (`lines.ts`). */
const NUMBERS = {
  // -1: changes the schema (`migrate.ts`).
  /** Gives an application a number or a uid: each is found by one of both. */
  applications: -2,
  /** Is in `exclusively`. */
  exclusive: -3,
  eventTypes: -4,
  partitions: -5,
} as const;

// Not prepared: what a prepared statement saw is held on to until the transaction's next one. Who waits here for others to do
// something would be waited for by a vacuum and by the detaching of a partition.
const call = (name: string, what: keyof typeof NUMBERS) =>
  unprepared(`SELECT ${name}(1886745448, ${NUMBERS[what]}) AS locked`);

/** Until the end of the transaction. */
export async function lock(tx: Executor, what: keyof typeof NUMBERS): Promise<void> {
  await tx.rows(call('pg_advisory_xact_lock', what));
}

/** False when another transaction has it. */
export async function tryLock(tx: Executor, what: keyof typeof NUMBERS): Promise<boolean> {
  return (await tx.row<{ locked: boolean }>(call('pg_try_advisory_xact_lock', what)))?.locked ?? false;
}
