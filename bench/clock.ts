import { setTimeout as wait } from 'node:timers/promises';

/** Milliseconds of the machine's monotonic clock: the same clock in every process, so that times can be compared. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export async function pause(milliseconds: number): Promise<void> {
  await wait(milliseconds);
}
