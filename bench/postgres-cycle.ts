import { createIds } from '../src/model/id.ts';
import { firstFence, type Lease } from '../src/model/lease.ts';
import { openPostgresStore } from '../src/store/postgres/open.ts';
import type { Publish, Store } from '../src/store/store.ts';
import { systemClock } from '../src/system/clock.ts';
import { systemRandom } from '../src/system/random.ts';
import { monotonicMs } from './clock.ts';
import { firstAttempt, plainMessage } from './message.ts';
import type { PostgresDatabase } from './postgres-database.ts';
import { createEndpoint } from './server-api.ts';

const ENDPOINTS = 20;
/** Nobody beats here, and nobody else is there who would end it. */
const LEASE_MS = 3_600_000;

/** What one cycle took, in ms. `claimMs` is 0 where nothing was claimed. */
export interface CycleTimes {
  readonly acceptMs: number;
  readonly claimMs: number;
  readonly recordMs: number;
}

/** What a node asks of its store for each batch of deliveries, without HTTP and without sending anything. */
export class PostgresCycle {
  readonly store: Store;
  readonly #applicationKey: number;
  readonly #revision: number;
  readonly #endpointKeys: readonly number[];
  readonly #ids = createIds(systemClock, systemRandom);
  readonly #payload: string;
  #fence: number;
  #number = 0;

  /** A store with a company and its endpoints, as a node makes them. */
  static async open(database: PostgresDatabase, payload: string): Promise<PostgresCycle> {
    const node = await database.startNode();
    for (let index = 0; index < ENDPOINTS; index++)
      await createEndpoint(node.url, { url: `http://127.0.0.1:9/${index}` });
    await node.stop();
    const store = await openPostgresStore({ url: database.url, clock: systemClock });
    const company = await store.applicationFindByNumber({ number: 1 });
    if (company === null) throw new Error('The node has made no company.');
    const endpoints = await store.endpointList({ applicationKey: company.key });
    const { epoch } = await store.nodeJoin({ name: 'bench', leaseMs: LEASE_MS });
    return new PostgresCycle({
      store,
      applicationKey: company.key,
      revision: company.revision,
      endpointKeys: endpoints.map(({ key }) => key),
      fence: firstFence(epoch),
      payload,
    });
  }

  private constructor(params: {
    store: Store;
    applicationKey: number;
    revision: number;
    endpointKeys: readonly number[];
    fence: number;
    payload: string;
  }) {
    this.store = params.store;
    this.#applicationKey = params.applicationKey;
    this.#revision = params.revision;
    this.#endpointKeys = params.endpointKeys;
    this.#fence = params.fence;
    this.#payload = params.payload;
  }

  /** Takes `batch` publishes of one message with one delivery each, and records that all of them arrived. */
  async direct(batch: number): Promise<CycleTimes> {
    const { leases, acceptMs } = await this.accept(batch, 'sending');
    return { acceptMs, claimMs: 0, recordMs: await this.#record(leases) };
  }

  /** The same by way of the store: they wait there, and are claimed. */
  async byWayOfClaims(batch: number): Promise<CycleTimes> {
    const { acceptMs } = await this.accept(batch, 'pending');
    const { leases, claimMs } = await this.claim(ENDPOINTS, Math.ceil(batch / ENDPOINTS));
    return { acceptMs, claimMs, recordMs: await this.#record(leases) };
  }

  async accept(batch: number, state: 'sending' | 'pending'): Promise<{ leases: Lease[]; acceptMs: number }> {
    const [now, fence] = [Date.now(), ++this.#fence];
    const publishes = Array.from({ length: batch }, () => this.#publish(state, now));
    const startedAt = monotonicMs();
    const results = await this.store.messageAccept({ publishes, fence, now });
    const acceptMs = monotonicMs() - startedAt;
    const leases = results.map((result, index) => {
      if (result.kind !== 'accepted') throw new Error(`The store said ${result.kind} to a publish.`);
      const endpointKey = publishes[index]?.messages[0]?.deliveries[0]?.endpointKey as number;
      return { messageKey: result.messageKeys[0] as number, endpointKey, fence, resendKey: null };
    });
    return { leases, acceptMs };
  }

  /** Claims what is due for some of the endpoints, so many deliveries for each. */
  async claim(endpoints: number, deliveries: number): Promise<{ leases: Lease[]; claimMs: number }> {
    const lanes = this.#endpointKeys
      .slice(0, endpoints)
      .map((endpointKey) => ({ endpointKey, deliveries, characters: 1e6 }));
    const startedAt = monotonicMs();
    const claims = await this.store.deliveryClaimDue({
      lanes,
      characters: 1e8,
      dueBy: Date.now(),
      fence: ++this.#fence,
    });
    const claimMs = monotonicMs() - startedAt;
    const leases = claims.flatMap(({ claimed }) =>
      claimed.map(({ messageKey, endpointKey, fence, resendKey }) => {
        return { messageKey, endpointKey, fence, resendKey };
      }),
    );
    return { leases, claimMs };
  }

  #publish(state: 'sending' | 'pending', createdAt: number): Publish {
    const endpointKey = this.#endpointKeys[this.#number++ % this.#endpointKeys.length] as number;
    const message = plainMessage({
      id: this.#ids.next('msg'),
      eventType: 'ticket.created',
      payload: this.#payload,
      createdAt,
    });
    return {
      applicationKey: this.#applicationKey,
      revision: this.#revision,
      idempotency: null,
      messages: [{ ...message, deliveries: [{ endpointKey, state, orderKey: null }] }],
    };
  }

  /** Returns the ms that it took. */
  async #record(leases: readonly Lease[]): Promise<number> {
    const now = Date.now();
    const applicationKey = this.#applicationKey;
    const results = leases.map((lease) =>
      firstAttempt({ id: this.#ids.next('atmpt'), applicationKey, lease, at: now, failed: false }),
    );
    const startedAt = monotonicMs();
    const { held } = await this.store.deliveryRecord({ results, now });
    if (!held.every(Boolean)) throw new Error('A lease was lost, which nobody took.');
    return monotonicMs() - startedAt;
  }
}
