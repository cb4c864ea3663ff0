import { randomBytes } from 'node:crypto';
import { request } from 'undici';
import type { PostgresServer } from '../test/helpers/postgres-server.ts';
import { monotonicMs, pause } from './clock.ts';
import { HOOKS, Hooks } from './hooks.ts';
import { payloadText } from './payload.ts';
import { Ledger, type Manner, Publisher } from './publisher.ts';
import { type SeededRandom, seededRandom } from './random.ts';
import { type Cause, type Repeat, repeatsIn } from './repeats.ts';
import { createEndpoint, createHook, readSecret, SINGLE_PATH } from './server-api.ts';
import { freePort, OPERATOR_KEY, ServerFolder, ServerProcess } from './server-process.ts';

/** What a fault did. Times are ms from its beginning. */
export interface Fault {
  readonly name: string;
  /** Deliveries of acknowledged messages that had not arrived when it began. */
  readonly waiting: number;
  /** Until the last of them arrived; null: there was none. */
  readonly takenOverMs: number | null;
  /** From when the database was back until a publish was acknowledged; null where it was not away. */
  readonly firstAnswerMs: number | null;
}

export const ORDERED_HOOK = 'ordered';
const NODES = 3;
/** About 300 messages a second over all nodes. */
const MANNERS: readonly Manner[] = [
  { most: 1, pauseMs: { least: 10, most: 40 }, keyed: false },
  { most: 1, pauseMs: { least: 10, most: 40 }, keyed: true },
  { most: 20, pauseMs: { least: 200, most: 600 }, keyed: true },
];
const ORDERED_PAUSE_MS = { least: 10, most: 60 };
const STEADY_MS = 5_000;
const SETTLE_MS = 20_000;
const REST_WITHIN_MS = 120_000;
/** Longer than any retry waits, and than a lease lasts. */
const REST_MS = 20_000;
const RETRY_SCHEDULE = '100ms,100ms,200ms,200ms,400ms,400ms,800ms,800ms,800ms,800ms';

interface Node {
  readonly folder: ServerFolder;
  readonly port: number;
  server: ServerProcess;
}

/** Three nodes, their publishers and their hooks, and what can happen to them. */
export class NodeFaults {
  readonly ledger = new Ledger();
  readonly hooks: Hooks;
  readonly startedAt = monotonicMs();
  readonly #database: PostgresServer;
  readonly #random: SeededRandom;
  readonly #masterKey = randomBytes(32).toString('base64');
  readonly #nodes: Node[] = [];
  #publishers: Publisher[] = [];
  #publishing: Promise<unknown> = Promise.resolve();
  /** Numbers that the ordered hook's publisher got acknowledged, in that order. */
  readonly #ordered: number[] = [];
  /** What may have requests sent twice: a database that is away, or a node that is told to stop, does not. */
  readonly #causes: Cause[] = [];
  #stopped = false;

  constructor(seed: number, database: PostgresServer) {
    this.#database = database;
    this.#random = seededRandom(seed);
    this.hooks = new Hooks(this.#random.fork(), {
      // About as slow as it may be with what it gets, so that some always wait in memory.
      slow: (random) => ({ delayMs: random.between(20, 140), answer: 'accept' }),
      [ORDERED_HOOK]: (random) => ({ delayMs: 1, answer: random.fraction() < 0.02 ? 'refuse' : 'accept' }),
    });
  }

  async begin(): Promise<void> {
    await this.#database.create('posthorn');
    for (let index = 0; index < NODES; index++) {
      const [folder, port] = [new ServerFolder(), await freePort()];
      this.#nodes.push({ folder, port, server: this.#spawn(folder, port) });
    }
    // All at once, on an empty database.
    await Promise.all(this.#nodes.map(({ server }) => server.ready()));
    const url = await this.hooks.listen();
    const first = this.#node(0).server.url;
    for (const hook of HOOKS)
      this.hooks.expectSecret(hook, await readSecret(first, await createHook(first, `${url}/${hook}`)));
    const ordered = { url: `${url}/${ORDERED_HOOK}`, channels: [ORDERED_HOOK], ordering: 'endpoint' };
    this.hooks.expectSecret(ORDERED_HOOK, await readSecret(first, await createEndpoint(first, ordered)));
    this.#publishers = this.#nodes.flatMap(({ server }) =>
      MANNERS.map((manner) => {
        const random = this.#random.fork();
        return new Publisher({ server: server.url, ledger: this.ledger, manner, random });
      }),
    );
    this.#publishing = Promise.all([...this.#publishers.map((each) => each.run()), this.#publishInOrder()]);
    this.#publishing.catch(() => {});
    await pause(STEADY_MS);
  }

  /** SIGKILL; another process takes its place when the others have taken over. */
  kill(index: number): Promise<Fault> {
    const name = 'a node is killed';
    return this.#fault(name, async () => {
      const node = this.#node(index);
      await node.server.kill();
      this.#causes.push({ name, at: monotonicMs() });
      await pause(SETTLE_MS);
      node.server = this.#spawn(node.folder, node.port);
      await node.server.ready();
      return undefined;
    });
  }

  /** SIGSTOP for so long, then SIGCONT. */
  freeze(index: number, ms: number): Promise<Fault> {
    const name = `a node is stopped for ${ms / 1000} s`;
    return this.#fault(name, async () => {
      const { server } = this.#node(index);
      server.freeze();
      this.#causes.push({ name, at: monotonicMs() });
      await pause(ms);
      server.thaw();
      await pause(STEADY_MS);
      return undefined;
    });
  }

  /** Down for two seconds. `immediate`: as if it crashed. */
  restartDatabase(how: 'fast' | 'immediate'): Promise<Fault> {
    const name = how === 'fast' ? 'the database is restarted' : 'the database crashes';
    return this.#fault(name, async () => {
      await this.#database.stop(how);
      await pause(2_000);
      const acknowledged = this.ledger.acknowledged.size;
      await this.#database.start();
      const upAt = monotonicMs();
      while (this.ledger.acknowledged.size === acknowledged) await pause(5);
      const firstAnswerMs = monotonicMs() - upAt;
      await pause(STEADY_MS);
      return firstAnswerMs;
    });
  }

  /** SIGTERM and a new process, one node after the other. */
  rollingRestart(): Promise<Fault> {
    return this.#fault('every node is replaced, one by one', async () => {
      for (const node of this.#nodes) {
        await node.server.stop();
        node.server = this.#spawn(node.folder, node.port);
        await node.server.ready();
        await pause(1_000);
      }
      return undefined;
    });
  }

  /** Lets everything come to rest, stops the nodes, and holds what was promised against what arrived. */
  async finish() {
    await pause(STEADY_MS);
    this.#stopped = true;
    for (const publisher of this.#publishers) publisher.stop();
    await this.#publishing;
    const restAfterMs = await this.hooks.rest({ idleMs: REST_MS, withinMs: REST_WITHIN_MS });
    const exitCodes = await Promise.all(this.#nodes.map(({ server }) => server.stop()));
    this.hooks.close();
    const { acknowledged, keyed, offered } = this.ledger;
    const taken = this.#taken();
    const orderedIds = new Set(this.#orderedIds);
    const lost =
      [...acknowledged.keys()].reduce(
        (sum, id) => sum + HOOKS.filter((hook) => !taken.has(`${id} ${hook}`)).length,
        0,
      ) + [...orderedIds].filter((id) => !taken.has(`${id} ${ORDERED_HOOK}`)).length;
    const idsOfKey = Map.groupBy(
      this.hooks.hits.filter(({ number }) => keyed.has(number)),
      ({ number }) => number,
    );
    return {
      restAfterMs,
      exitCodes,
      offered: offered,
      acknowledged: acknowledged.size,
      pairs: acknowledged.size * HOOKS.length + orderedIds.size,
      orderedPairs: orderedIds.size,
      hits: this.hooks.hits.length,
      refused: [...this.ledger.refused].map(([status, count]) => `${count} x ${status}`).join(', '),
      lost,
      outOfOrder: this.#outOfOrder(),
      unverified: this.hooks.hits.filter(({ verified }) => !verified).length,
      keyTwice: [...idsOfKey.values()].filter(
        (hits) => new Set(hits.map(({ messageId }) => messageId)).size > 1,
      ).length,
    };
  }

  /** What came twice so far, each with what explains it. */
  repeats(): Repeat[] {
    return repeatsIn(this.hooks.hits, this.#causes);
  }

  logEnds(): string {
    return this.#nodes
      .map(({ folder }, index) => `The end of the log of node ${index}:\n${folder.logEnd()}`)
      .join('\n');
  }

  remove(): void {
    for (const { folder } of this.#nodes) folder.remove();
  }

  /** @param happen resolves to `firstAnswerMs`, if it measures that. */
  async #fault(name: string, happen: () => Promise<number | undefined>): Promise<Fault> {
    const startedAt = monotonicMs();
    const taken = this.#taken();
    const waiting = [...this.ledger.acknowledged.keys()].flatMap((id) =>
      HOOKS.map((hook) => `${id} ${hook}`).filter((pair) => !taken.has(pair)),
    );
    const firstAnswerMs = (await happen()) ?? null;
    const arrivals = this.#taken();
    const times = waiting.map((pair) => (arrivals.get(pair) ?? Number.POSITIVE_INFINITY) - startedAt);
    return {
      name,
      waiting: waiting.length,
      takenOverMs: times.length === 0 ? null : Math.max(...times),
      firstAnswerMs,
    };
  }

  /** When each message was first taken by each hook: when that had answered, not when it arrived. */
  #taken(): Map<string, number> {
    const taken = new Map<string, number>();
    for (const { hook, messageId, outcome, endedAt } of this.hooks.hits) {
      const pair = `${messageId} ${hook}`;
      if (outcome !== 'accepted' || endedAt === null) continue;
      taken.set(pair, Math.min(endedAt, taken.get(pair) ?? endedAt));
    }
    return taken;
  }

  readonly #orderedIds: string[] = [];

  /** One publisher whose messages go through one node after the other, each when the one before was answered. */
  async #publishInOrder(): Promise<void> {
    const random = this.#random.fork();
    for (let turn = 0; !this.#stopped; ) {
      const number = this.ledger.next();
      for (let id: string | null = null; id === null; turn++) {
        id = await publishOrdered(this.#node(turn % NODES).server.url, number);
        if (id === null) await pause(50);
        else {
          this.#ordered.push(number);
          this.#orderedIds.push(id);
          // It goes to the other hooks too.
          this.ledger.acknowledged.set(id, number);
        }
      }
      await pause(random.between(ORDERED_PAUSE_MS.least, ORDERED_PAUSE_MS.most));
    }
  }

  /** First arrivals at the ordered hook whose number is below one that arrived before. */
  #outOfOrder(): number {
    const wanted = new Set(this.#orderedIds);
    const seen = new Set<string>();
    let last = 0;
    let wrong = 0;
    for (const { hook, messageId, number, outcome } of this.hooks.hits) {
      if (hook !== ORDERED_HOOK || outcome !== 'accepted' || !wanted.has(messageId) || seen.has(messageId))
        continue;
      seen.add(messageId);
      if (number < last) wrong++;
      last = Math.max(last, number);
    }
    return wrong;
  }

  #spawn(folder: ServerFolder, port: number): ServerProcess {
    const env = {
      POSTHORN_STORE: this.#database.url('posthorn'),
      POSTHORN_MASTER_KEY: this.#masterKey,
      POSTHORN_RETRY_SCHEDULE: RETRY_SCHEDULE,
    };
    return new ServerProcess({ folder, port, env });
  }

  #node(index: number): Node {
    const node = this.#nodes[index];
    if (node === undefined) throw new Error(`There is no node ${index}.`);
    return node;
  }
}

/** Null: it was not answered 202, and is asked for again through the next node, under the same key. */
async function publishOrdered(server: string, number: number): Promise<string | null> {
  const payload = payloadText(number, monotonicMs());
  try {
    const answer = await request(server + SINGLE_PATH, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${OPERATOR_KEY}`,
        'content-type': 'application/json',
        'idempotency-key': `ordered-${number}`,
      },
      body: `{"eventType":"ticket.created","channels":["${ORDERED_HOOK}"],"payload":${payload.replace(/"sentAt":[\d.]+/, '"sentAt":0.000')}}`,
      signal: AbortSignal.timeout(5_000),
    });
    const text = await answer.body.text();
    return answer.statusCode === 202 ? (JSON.parse(text) as { id: string }).id : null;
  } catch {
    return null;
  }
}
