import { FAILED, RARE } from './fill.ts';
import type { FilledStore, StoredMessage } from './filled-store.ts';

/** A read of the operator API. */
export interface ListCall {
  readonly name: string;
  /** `anywhere` is a message in the middle half of the store, another one each time. */
  path(store: FilledStore, anywhere: StoredMessage): string;
  /** What it looks for by a filter, in rows: where a call finds fewer, the next goes on from its iterator. 0: one call is all. */
  readonly wanted: number;
}

const APPLICATION = '/api/v1/app/1';
const MESSAGES = `${APPLICATION}/msg`;

const attempts = ({ endpointId }: FilledStore) => `${APPLICATION}/attempt/endpoint/${endpointId}`;
const attempted = (endpointId: string) => `${APPLICATION}/endpoint/${endpointId}/msg`;

/** Answered from an index, however many rows there are. */
export const byIndex: readonly ListCall[] = [
  page('messages, first page', () => MESSAGES),
  page('messages, in the middle', (_, { id }) => `${MESSAGES}?iterator=${id}`),
  page('messages, last page', ({ beforeLastPage }) => `${MESSAGES}?iterator=${beforeLastPage.id}`),
  page('messages, previous page', (_, { id }) => `${MESSAGES}?iterator=-${id}`),
  page('attempts, first page', (store) => attempts(store)),
  page('attempts, in the middle', (store, { attemptId }) => `${attempts(store)}?iterator=${attemptId}`),
  page('attempted messages, first page', ({ endpointId }) => attempted(endpointId)),
  page('attempted messages, in the middle', ({ endpointId }, { id }) => {
    return `${attempted(endpointId)}?iterator=${id}`;
  }),
  page('message by id', (_, { id }) => `${MESSAGES}/${id}`),
  page('message by eventId', (_, { eventId }) => `${MESSAGES}/${eventId}`),
];

/** Looks at every row, as what is looked for is the oldest. */
const byFilter: readonly ListCall[] = [
  search('messages, rare type', 1, () => `${MESSAGES}?event_types=${RARE.eventType}`),
  search('messages, tag', 1, () => `${MESSAGES}?tag=${RARE.tag}`),
  search('messages, text', 1, () => `${MESSAGES}?search=${encodeURIComponent(RARE.text)}`),
  search('messages, failed', FAILED, () => `${MESSAGES}?status=2`),
  search('attempts, failed', FAILED, (store) => `${attempts(store)}?status=2`),
  search('attempts, rare type', 1, (store) => `${attempts(store)}?event_types=${RARE.eventType}`),
  search('attempted messages, quiet hook', 1, ({ quietEndpointId }) => attempted(quietEndpointId)),
];

/** Counts every row, of an index. */
const stats = page('stats, everything', ({ endpointId }) => `${APPLICATION}/endpoint/${endpointId}/stats`);

/** What pages of the console ask for. */
export const consoleCalls: readonly ListCall[] = [...byIndex, stats];

export const listCalls: readonly ListCall[] = [...consoleCalls, ...byFilter];

/** A text that no message has. */
export const SEARCH_IN_VAIN = `${MESSAGES}?search=nothing%20has%20this`;

function page(name: string, path: ListCall['path']): ListCall {
  return { name, path, wanted: 0 };
}

function search(name: string, wanted: number, path: ListCall['path']): ListCall {
  return { name, path, wanted };
}
