import type { Attempt } from '../../model/attempt.ts';
import type { Scanned } from './pages.ts';

/** HTTP requests that were made, and what came back. */
export interface AttemptStore {
  /** The attempts of a message or of an endpoint, newest first. With a filter, at most `scan` rows are looked at. */
  attemptList(
    params: ({ applicationKey: number; messageKey: number } | { endpointKey: number }) &
      AttemptPage & { filter?: AttemptFilter; scan?: number },
  ): Promise<Scanned<ListedAttempt>>;
  /** Of a message's attempts below `before` the newest for each of these endpoints; at most `scan` are looked at. */
  attemptLatest(params: {
    applicationKey: number;
    messageKey: number;
    endpointKeys: readonly number[];
    before: string | null;
    scan: number;
  }): Promise<Scanned<ListedAttempt>>;
  attemptFind(params: {
    applicationKey: number;
    messageKey: number;
    id: string;
  }): Promise<ListedAttempt | null>;
  /** Replaces what came back (body and headers) by `EXPUNGED`. False when there is no such attempt. */
  attemptExpunge(params: { applicationKey: number; messageKey: number; id: string }): Promise<boolean>;
}

export interface AttemptPage {
  limit: number;
  /** Ids, exclusive. With `after` alone: the rows next to it. */
  before: string | null;
  after: string | null;
}

/** What an attempt must be like. The last four speak of its message and its endpoint. */
export interface AttemptFilter {
  readonly succeeded?: boolean;
  /** 100: 100 to 199, and so on; 0: no answer came. */
  readonly statusClass?: number;
  readonly eventTypes?: readonly string[];
  readonly channel?: string;
  readonly tag?: string;
  readonly endpointKey?: number;
}

export interface ListedAttempt extends Attempt {
  readonly messageId: string;
  readonly endpointId: string;
}
