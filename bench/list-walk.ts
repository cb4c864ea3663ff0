import { monotonicMs } from './clock.ts';
import type { Connection } from './connection.ts';
import { AS_OPERATOR } from './server-api.ts';

/** Walks through a list by its iterator until so many rows are found, or it ends. 0: one call. Resolves with the ms of each call. */
export async function walk(
  connection: Connection,
  path: string,
  wanted: number,
): Promise<{ callsMs: number[]; found: number }> {
  const callsMs: number[] = [];
  let found = 0;
  for (let iterator: string | null = null; ; ) {
    const next = iterator === null ? path : `${path}${path.includes('?') ? '&' : '?'}iterator=${iterator}`;
    const startedAt = monotonicMs();
    const { status, body } = await connection.get(next, AS_OPERATOR);
    callsMs.push(monotonicMs() - startedAt);
    if (status !== 200) throw new Error(`${next} was answered ${status}: ${body}`);
    if (wanted === 0) return { callsMs, found };
    const page = JSON.parse(body) as { data: unknown[]; iterator: string | null; done: boolean };
    found += page.data.length;
    if (found >= wanted || page.done) return { callsMs, found };
    iterator = page.iterator;
  }
}
