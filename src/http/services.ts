import type { Logger } from 'pino';
import type { Accept } from '../accept/accept.ts';
import type { Networks } from '../model/address.ts';
import type { Clock, Random } from '../model/clock.ts';
import type { Exchange, Target } from '../model/exchange.ts';
import type { Ids } from '../model/id.ts';
import type { RetrySchedule } from '../model/retry-schedule.ts';
import type { Explainer } from '../query/explain.ts';
import type { Reader } from '../query/reader.ts';
import type { Redelivery } from '../query/redelivery.ts';
import type { Statistics } from '../query/statistics.ts';
import type { Answers } from '../registry/answers.ts';
import type { Keyring } from '../registry/keyring.ts';
import type { Registry } from '../registry/registry.ts';
import type { Sessions } from '../registry/sessions.ts';

/** What the routes ask of the rooms. */
export interface HttpServices {
  readonly registry: Registry;
  readonly keyring: Keyring;
  readonly sessions: Sessions;
  readonly accept: Pick<Accept, 'earlier' | 'publish'>;
  readonly reader: Reader;
  readonly statistics: Statistics;
  readonly redelivery: Redelivery;
  readonly explainer: Explainer;
  readonly pulse: Pulse;
  /** Of endpoints that have none of their own. */
  readonly retrySchedule: RetrySchedule;
  readonly answers: Answers;
  readonly tests: TestSender;
  readonly ids: Ids;
  readonly clock: Clock;
  readonly random: Random;
  /** The networks that targets may lie in although they are not public. */
  readonly allowNetworks: Networks;
  readonly version: string;
  /** Where people reach this server, without a slash at the end; null: where the call came in. */
  readonly publicUrl: string | null;
  /** Connections at once; the server closes more as they come. `HTTP_CONNECTIONS` when left out. */
  readonly maxConnections?: number;
  /** Rejects when the store is not well. */
  readonly health: () => Promise<void>;
  readonly log: Logger;
}

/** What memory knows of an endpoint, and no store does. Both are null where there is nothing to tell. */
export interface Pulse {
  /** As `Schedule.state`. */
  lane(endpointKey: number): LaneState | null;
  /** It did nothing but fail since then, and will be disabled at `disablesAt` if that goes on (null: never). */
  failing(endpointKey: number): { readonly since: number; readonly disablesAt: number | null } | null;
}

interface LaneState {
  /** Requests under way. */
  readonly inFlight: number;
  /** Requests that may be under way at present. */
  readonly limit: number;
  readonly breaker: {
    readonly open: boolean;
    /** In a row, up to now; null: another node sends for it, and has counted them. */
    readonly failures: number | null;
    /** When the next delivery goes out to try it, ms since the Unix epoch; null while it is closed, one does right now, or none waits. */
    readonly probeAt: number | null;
  };
}

interface TestSender {
  /** Sends once and waits for the end. Throws `too_many_requests`. */
  test(params: {
    applicationKey: number;
    target: Target;
    messageId: string;
    payload: string;
  }): Promise<Exchange>;
}
