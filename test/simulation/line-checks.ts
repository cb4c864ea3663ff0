import { expect } from 'vitest';
import { type Endpoint, orderKeyOf } from '../../src/model/endpoint.ts';
import type { ListedAttempt, Store } from '../../src/store/store.ts';

const PAGE = 250;

/** Of no line were two under way at once, as far as their ends are known. Resends stand in none. */
export async function checkLines(store: Store, endpoint: Endpoint): Promise<void> {
  const lines = new Map<string, ListedAttempt[]>();
  for (const attempt of await attemptsOf(store, endpoint)) {
    const { applicationKey } = endpoint;
    const message = await store.messageFind({ applicationKey, ref: attempt.messageId });
    const line = orderKeyOf(endpoint, message?.orderingKey ?? null);
    if (attempt.trigger === 'manual' || line === null) continue;
    lines.set(line, [...(lines.get(line) ?? []), attempt]);
  }
  for (const attempts of lines.values()) {
    attempts.sort((one, other) => one.exchange.startedAt - other.exchange.startedAt);
    let before = { messageId: '', endedAt: 0 };
    for (const { messageId, exchange } of attempts) {
      const text = `${messageId} of ${endpoint.href} began beside ${before.messageId} of its line`;
      expect(exchange.startedAt, text).toBeGreaterThanOrEqual(before.endedAt);
      before = { messageId, endedAt: exchange.startedAt + exchange.durationMs };
    }
  }
}

async function attemptsOf(store: Store, { key }: Endpoint): Promise<ListedAttempt[]> {
  const all: ListedAttempt[] = [];
  for (let before: string | null = null; ; before = all.at(-1)?.id ?? null) {
    const { rows } = await store.attemptList({ endpointKey: key, limit: PAGE, before, after: null });
    all.push(...rows);
    if (rows.length < PAGE) return all;
  }
}
