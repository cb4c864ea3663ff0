import type Database from 'better-sqlite3';
import { firstFence } from '../../src/model/lease.ts';
import { storeOn } from '../../src/store/sqlite/open.ts';
import {
  type NodeInfo,
  type NodeView,
  type Publish,
  type PublishResult,
  type Signal,
  type Store,
  StoreError,
} from '../../src/store/store.ts';
import { signalsOf } from './call-signals.ts';

type Node = { -readonly [Name in keyof NodeInfo]: NodeInfo[Name] } & { expiresAt: number };
type Call = (params: never) => Promise<unknown>;
type AcceptParams = { publishes: readonly Publish[]; fence: number; now: number };

/** One process at the database. */
interface Visitor {
  epoch: number;
  told: ((signals: readonly Signal[]) => void) | null;
}

/** Publishes that a process may commit at once, as on PostgreSQL. */
const PARALLEL_COMMITS = 2;

/** What an application's revision counts; its number for web hook ids is none of it. */
const COUNTED = [
  'AFTER UPDATE OF updated_at, deleted_at ON main.application',
  'AFTER INSERT ON main.endpoint',
  'AFTER UPDATE ON main.endpoint',
];

/**
 * One SQLite database that several simulated processes use at once, as they use PostgreSQL: nodes with leases by the database's
 * own clock, revisions of applications, signals. All else is the SQLite driver itself. Each call is one synchronous transaction,
 * so that what the port says of it holds between processes too. It passes the contract of stores that are shared.
 */
export class SharedDatabase {
  readonly #store: Store;
  readonly #nodes = new Map<number, Node>();
  readonly #revisions = new Map<number, number>();
  /** Applications that the call under way changed. */
  readonly #changed = new Set<number>();
  readonly #visitors = new Set<Visitor>();
  readonly #brokenEndpoints: Database.Statement;
  readonly #now: () => number;
  readonly #carry: (deliver: () => void) => void;
  #lastEpoch = 0;

  /** @param carry Brings a signal to a process. */
  constructor(
    connection: Database.Database,
    { now, carry }: { now: () => number; carry: (deliver: () => void) => void },
  ) {
    this.#store = storeOn(connection, { release: () => {} });
    this.#now = now;
    this.#carry = carry;
    this.#brokenEndpoints = connection
      .prepare('SELECT group_concat(endpoint_key) FROM endpoint_failing WHERE broken = 1')
      .pluck();
    connection.function('application_changed', (applicationKey) => {
      const key = Number(applicationKey);
      this.#revisions.set(key, this.#revision(key) + 1);
      this.#changed.add(key);
      return null;
    });
    COUNTED.forEach((event, index) => {
      connection.exec(
        `CREATE TEMP TRIGGER counted_${index} ${event} BEGIN SELECT application_changed(NEW.application_key); END`,
      );
    });
  }

  /** Whether the node was ended, or never was. */
  isEnded(epoch: number): boolean {
    return this.#nodes.get(epoch)?.ended !== false;
  }

  /** The store as one process has it. */
  open(): Store {
    const visitor: Visitor = { epoch: 0, told: null };
    this.#visitors.add(visitor);
    let closed = false;
    const own: Record<string, Call> = {
      ...this.#nodeCalls(visitor),
      messageAccept: (params) => this.#accept(params),
    };
    const calls = Object.entries(this.#store).flatMap(([name, value]) => {
      if (typeof value !== 'function') return [];
      const call = own[name] ?? (value as Call);
      const telling = (params: never) => {
        if (closed) return Promise.reject(new StoreError('unavailable', 'The store is closed.'));
        return this.#telling(name as keyof Store, params, { call, visitor });
      };
      return [[name, telling] as const];
    });
    return {
      ...(Object.fromEntries(calls) as unknown as Store),
      shared: true,
      parallelCommits: PARALLEL_COMMITS,
      exclusively: this.#store.exclusively,
      listen(told) {
        visitor.told = told;
      },
      close: async () => {
        closed = true;
        this.#visitors.delete(visitor);
      },
    };
  }

  /** Makes a call, and tells the other processes what came of it. */
  async #telling(
    name: keyof Store,
    params: never,
    { call, visitor }: { call: Call; visitor: Visitor },
  ): Promise<unknown> {
    this.#changed.clear();
    const brokenBefore = this.#brokenEndpoints.get();
    const answer = call(params);
    // By now it has happened: SQLite is synchronous.
    const signals: Signal[] = [...this.#changed].map((applicationKey) => ({
      kind: 'application',
      applicationKey,
    }));
    if (this.#brokenEndpoints.get() !== brokenBefore) signals.push({ kind: 'failing' });
    const result = await answer;
    signals.push(...signalsOf(name, params, result));
    if (signals.length > 0) this.#tell(signals, visitor);
    return this.#withRevisions(result);
  }

  #tell(signals: readonly Signal[], from: Visitor): void {
    for (const visitor of this.#visitors) {
      if (visitor === from || visitor.told === null) continue;
      this.#carry(() => {
        if (this.#visitors.has(visitor)) visitor.told?.(signals);
      });
    }
  }

  #revision(applicationKey: number): number {
    return this.#revisions.get(applicationKey) ?? 0;
  }

  /** Applications as they are, with what the SQLite driver does not count. */
  #withRevisions(result: unknown): unknown {
    if (Array.isArray(result)) return result.map((each) => this.#withRevisions(each));
    if (typeof result !== 'object' || result === null || !('revision' in result)) return result;
    const key = 'key' in result ? result.key : 'applicationKey' in result ? result.applicationKey : null;
    return { ...result, revision: this.#revision(Number(key)) };
  }

  /** What was decided by an application as it no longer is, or that is gone, is not taken. */
  async #accept(params: AcceptParams): Promise<PublishResult[]> {
    const isStale = ({ applicationKey, revision }: Publish) => revision !== this.#revision(applicationKey);
    const stale = params.publishes.map(isStale);
    const publishes = params.publishes.filter((_, index) => !stale[index]);
    const taken = await this.#store.messageAccept({ ...params, publishes });
    return stale.map((each) => (each ? { kind: 'stale' } : (taken.shift() as PublishResult)));
  }

  #nodeCalls(visitor: Visitor): Record<string, Call> {
    return {
      nodeJoin: async ({ name, leaseMs }: { name: string; leaseMs: number }) => {
        const epoch = ++this.#lastEpoch;
        const startedAt = this.#now();
        const expiresAt = startedAt + leaseMs;
        this.#nodes.set(epoch, { epoch, name, startedAt, beatAt: startedAt, expiresAt, ended: false });
        visitor.epoch = epoch;
        return { epoch };
      },
      nodeBeat: async ({
        epoch,
        leaseMs,
      }: {
        epoch: number;
        leaseMs: number;
      }): Promise<NodeView | 'lost'> => {
        const node = this.#nodes.get(epoch);
        if (node === undefined || node.ended) return 'lost';
        const now = this.#now();
        node.beatAt = now;
        node.expiresAt = now + leaseMs;
        for (const each of this.#nodes.values()) if (each !== node && each.expiresAt < now) each.ended = true;
        const all = [...this.#nodes.values()];
        return {
          now,
          live: all.filter(({ ended }) => !ended).map((each) => each.epoch),
          leases: all
            .filter(({ ended }) => !ended)
            .map((each) => ({ epoch: each.epoch, name: each.name, leaseMs: each.expiresAt - each.beatAt })),
          ended: all
            .filter(({ ended }) => ended)
            .map((each) => ({
              epoch: each.epoch,
              from: firstFence(each.epoch),
              before: firstFence(each.epoch + 1),
              name: each.name,
              silentMs: each.expiresAt === Number.POSITIVE_INFINITY ? null : now - each.beatAt,
            })),
        };
      },
      nodeLeave: async ({ epoch }: { epoch: number }) => {
        const node = this.#nodes.get(epoch);
        if (node === undefined || node.ended) return;
        node.ended = true;
        // As on PostgreSQL: its time was not over.
        node.expiresAt = Number.POSITIVE_INFINITY;
      },
      nodeForget: async ({ epoch }: { epoch: number }) => {
        if (this.#nodes.get(epoch)?.ended === true) this.#nodes.delete(epoch);
      },
      nodeList: async (): Promise<NodeInfo[]> =>
        Array.from(this.#nodes.values(), ({ expiresAt: _, ...node }) => node),
    };
  }
}
