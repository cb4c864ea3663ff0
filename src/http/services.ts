import type { Logger } from 'pino';
import type { Accept } from '../accept/accept.ts';
import type { Networks } from '../model/address.ts';
import type { Clock, Random } from '../model/clock.ts';
import type { Exchange, Target } from '../model/exchange.ts';
import type { Ids } from '../model/id.ts';
import type { Reader } from '../query/reader.ts';
import type { Redelivery } from '../query/redelivery.ts';
import type { Answers } from '../registry/answers.ts';
import type { Keyring } from '../registry/keyring.ts';
import type { Registry } from '../registry/registry.ts';

/** What the routes ask of the rooms. */
export interface HttpServices {
  readonly registry: Registry;
  readonly keyring: Keyring;
  readonly accept: Pick<Accept, 'publish'>;
  readonly reader: Reader;
  readonly redelivery: Redelivery;
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

interface TestSender {
  /** Sends once and waits for the end. Throws `too_many_requests`. */
  test(params: {
    applicationKey: number;
    target: Target;
    messageId: string;
    payload: string;
  }): Promise<Exchange>;
}
