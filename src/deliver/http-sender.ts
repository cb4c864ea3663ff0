import { IDLE_SOCKETS, SCHEDULE_LIMITS } from '../limits.ts';
import { parseNetworks } from '../model/address.ts';
import type { Clock, Timer } from '../model/clock.ts';
import {
  type Exchange,
  type HoldUntil,
  type Sender,
  type SendJob,
  type SendResult,
  type SendResultHandler,
  succeeded,
  type Target,
  unsentExchange,
} from '../model/exchange.ts';
import { ownClock } from '../model/shared-clock.ts';
import { sign, signatureTimestamp } from '../model/signature.ts';
import { ConnectionPool } from './connection-pool.ts';
import { createEgressGuard, type EgressGuardOptions, type GuardedConnect } from './egress-guard.ts';
import { ExchangeFailure } from './exchange-failure.ts';
import { type BuildRequest, ExchangeRun, type RunHost } from './exchange-run.ts';
import { Holding } from './holding.ts';
import { requestHeaders, type SignatureHeaders } from './request-headers.ts';
import { createResolver, type Resolver } from './resolver.ts';
import { type Route, routeTo } from './route.ts';
import { SendQueues } from './send-queues.ts';
import { SocketShare } from './socket-share.ts';

/** Plain data: these go to a thread as they are. */
export interface HttpSenderSettings {
  /** Networks that may be dialled although they are not public, as CIDRs. */
  readonly allowNetworks: readonly string[];
  readonly signatureHeaders: SignatureHeaders;
  readonly userAgent: string;
  /** Sockets in all, idle ones too; when all are in use, requests wait, and their time limit starts only then. */
  readonly socketsMost?: number;
  /** PEM certificates of authorities trusted beside the public ones. */
  readonly ca?: readonly string[];
}

export interface HttpSenderOptions extends HttpSenderSettings {
  readonly clock: Clock;
  readonly onResults: SendResultHandler;
  /** Until when requests may begin, kept up to date by someone else; left out: by `Sender.holdUntil`. */
  readonly holding?: Holding;
  /** Told of bugs, with what was thrown. */
  readonly onBug?: (error: unknown) => void;
  readonly resolver?: Resolver;
  readonly build?: EgressGuardOptions['build'];
}

/** Clients unused for this long are dropped (their sockets went before); looked for this often. */
const IDLE_MS = 60_000;
const SWEEP_EVERY_MS = 30_000;

/** Sends on this thread. Results come in batches: all exchanges that ended in the same turn of the event loop. */
export function createHttpSender(options: HttpSenderOptions): Sender {
  return new HttpSender(options);
}

class HttpSender implements Sender {
  readonly #options: HttpSenderOptions;
  readonly #clock: Clock;
  readonly #connect: GuardedConnect;
  readonly #share: SocketShare;
  readonly #holding: Holding;
  readonly #host: RunHost;
  readonly #routes = new WeakMap<Target, Route | ExchangeFailure>();
  readonly #pools = new Map<string, ConnectionPool>();
  readonly #running = new Set<ExchangeRun>();
  readonly #queues: SendQueues;
  #ended: ExchangeRun[] = [];
  #refused: { readonly job: SendJob; readonly exchange: Exchange }[] = [];
  #unsent: SendResult[] = [];
  #flushing = false;
  #sweep: Timer | null = null;
  #closed = false;

  constructor(options: HttpSenderOptions) {
    const allow = parseNetworks(options.allowNetworks);
    if (!allow.ok) throw new Error(`allowNetworks: ${allow.problems.join('; ')}`);
    this.#options = options;
    this.#clock = options.clock;
    this.#share = new SocketShare(options.socketsMost ?? SCHEDULE_LIMITS.inFlight + IDLE_SOCKETS);
    this.#connect = createEgressGuard({
      allow: allow.networks,
      resolver: options.resolver ?? createResolver({ clock: options.clock }),
      ...(options.ca && { ca: options.ca }),
      ...(options.build && { build: options.build }),
    });
    this.#queues = new SendQueues({
      clock: options.clock,
      begin: (job) => this.#try(job),
      giveBack: (jobs) => {
        for (const { ref } of jobs) this.#unsent.push({ ref, exchange: null });
        this.#flushSoon();
      },
    });
    this.#holding = options.holding ?? new Holding();
    const own = ownClock(options.clock);
    this.#host = {
      clock: options.clock,
      build: requestBuilder(options),
      holds: () => this.#holding.holds(own),
      ended: (run) => {
        this.#running.delete(run);
        this.#ended.push(run);
        this.#flushSoon();
      },
      bug: (error) => options.onBug?.(error),
    };
  }

  send(jobs: readonly SendJob[]): void {
    for (const job of jobs) {
      if (job.queue === null) this.#try(job);
      else this.#queues.add(job, job.queue);
    }
  }

  holdUntil(until: HoldUntil): void {
    this.#holding.set(until);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#sweep?.cancel();
    this.#share.close();
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    this.#queues.close();
    for (const run of this.#running) run.fail(stopped());
    const destroyed = pools.map((pool) => pool.destroy());
    this.#flush();
    await Promise.all(destroyed);
  }

  #try(job: SendJob): void {
    try {
      this.#begin(job);
    } catch (error) {
      this.#options.onBug?.(error);
      const message = 'Posthorn failed on this request; its log says more.';
      this.#refuse(job, new ExchangeFailure('internal_error', message));
    }
  }

  #begin(job: SendJob): void {
    const route = this.#routeTo(job.target);
    if (this.#closed || route instanceof ExchangeFailure) {
      this.#refuse(job, route instanceof ExchangeFailure ? route : stopped());
      return;
    }
    const pool = this.#pool(route);
    const run = new ExchangeRun(job, route, pool, this.#host);
    this.#running.add(run);
    pool.use((slot) => run.start(slot));
  }

  #routeTo(target: Target): Route | ExchangeFailure {
    let route = this.#routes.get(target);
    if (route === undefined) {
      route = routeTo(target);
      this.#routes.set(target, route);
    }
    return route;
  }

  #pool(route: Route): ConnectionPool {
    let pool = this.#pools.get(route.poolKey);
    if (pool === undefined) {
      pool = new ConnectionPool(route.origin, this.#connect, this.#share);
      this.#pools.set(route.poolKey, pool);
      this.#sweep ??= this.#clock.timer(SWEEP_EVERY_MS, () => this.#sweepPools());
    }
    return pool;
  }

  #refuse(job: SendJob, failure: ExchangeFailure): void {
    this.#refused.push({ job, exchange: unsentExchange(this.#clock.now(), failure) });
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#clock.soon(() => this.#flush());
  }

  /** Frees the connections before the results go out: what is sent in answer to them finds those still warm. */
  #flush(): void {
    this.#flushing = false;
    const ended = this.#ended;
    const refused = this.#refused;
    const results = this.#unsent;
    this.#ended = [];
    this.#refused = [];
    this.#unsent = [];
    const now = this.#clock.monotonic();
    for (const { job, exchange, pool, slot, reusable, timedOut } of ended) {
      results.push({ ref: job.ref, exchange });
      if (timedOut) pool.startEra();
      if (slot === null) continue;
      if (reusable) pool.give(slot, now);
      else pool.drop(slot);
    }
    for (const { job, exchange } of refused) results.push({ ref: job.ref, exchange });
    for (const each of ended) this.#goOn(each);
    for (const each of refused) this.#goOn(each);
    if (results.length > 0) this.#options.onResults(results);
  }

  /** Begins what waited for the end of this. */
  #goOn({ job, exchange }: { readonly job: SendJob; readonly exchange: Exchange | null }): void {
    if (job.queue !== null) this.#queues.ended(job.queue, exchange !== null && succeeded(exchange));
  }

  #sweepPools(): void {
    this.#sweep = null;
    const before = this.#clock.monotonic() - IDLE_MS;
    for (const [key, pool] of this.#pools) {
      pool.sweep(before);
      if (pool.empty) this.#pools.delete(key);
    }
    if (this.#pools.size > 0) this.#sweep = this.#clock.timer(SWEEP_EVERY_MS, () => this.#sweepPools());
  }
}

function requestBuilder(options: HttpSenderSettings): BuildRequest {
  const { userAgent, signatureHeaders: names } = options;
  return (job, route, startedAt) => {
    // The same bytes are signed and sent.
    const body = Buffer.from(job.payload);
    const { messageId, target } = job;
    const signature = sign({ secrets: target.secrets, messageId, startedAt, payload: body });
    const { flat, lines } = requestHeaders({
      job,
      own: route.own,
      hostLines: route.hostLines,
      userAgent,
      names,
      timestamp: signatureTimestamp(startedAt),
      signature,
      bodyBytes: body.length,
    });
    return { dispatch: { method: 'POST', path: route.path, body, headers: flat }, headers: lines };
  };
}

function stopped(): ExchangeFailure {
  return new ExchangeFailure('connection_closed', 'Posthorn was stopped before the answer came.');
}
