import { monotonicMs, pause } from './clock.ts';
import { HOOKS, Hooks } from './hooks.ts';
import { Ledger, type Manner, Publisher } from './publisher.ts';
import { type SeededRandom, seededRandom } from './random.ts';
import type { Life } from './reconcile.ts';
import { createHook, readSecret } from './server-api.ts';
import { freePort, ServerFolder, ServerProcess } from './server-process.ts';

/** One kill: when, counted from the spawn, and what had happened in that life. */
export interface Round {
  readonly number: number;
  readonly killedAfterMs: number;
  /** Null: killed before it was ready. */
  readonly readyAfterMs: number | null;
  readonly acknowledged: number;
  readonly hits: number;
  /** Requests that had arrived and were not answered yet. */
  readonly underWay: number;
}

/** About 500 messages a second, which the slow hook can just take. */
const MANNERS: readonly Manner[] = [
  { most: 1, pauseMs: { least: 5, most: 20 }, keyed: false },
  { most: 1, pauseMs: { least: 5, most: 20 }, keyed: false },
  { most: 1, pauseMs: { least: 5, most: 20 }, keyed: true },
  { most: 40, pauseMs: { least: 40, most: 200 }, keyed: false },
  { most: 40, pauseMs: { least: 40, most: 200 }, keyed: true },
];
/** One kill in five hits the start, the others a server at work: so long after its spawn, or after it was ready. */
const KILLS_AT_START = 0.2;
const AFTER_SPAWN_MS = { least: 20, most: 500 };
const AFTER_READY_MS = { least: 20, most: 4_000 };
/** What the dead process had sent is read before the next starts, so that a hit's time tells which of them sent it. */
const BETWEEN_LIVES_MS = 50;
const LAST_LIFE_MS = 1_000;
const REST_WITHIN_MS = 60_000;
/** Nothing arriving for this long, which is longer than any retry waits, is rest. */
const REST_MS = 1_500;
/** Short waits, and more of them than chance can use up. */
const RETRY_SCHEDULE = '100ms,100ms,200ms,200ms,400ms,400ms,800ms,800ms,800ms,800ms';

/** Kills the server again and again under load, and collects what publishers, hooks and rounds have to say. */
export class CrashLoop {
  readonly ledger = new Ledger();
  readonly lives: Life[] = [];
  readonly rounds: Round[] = [];
  readonly folder = new ServerFolder();
  readonly hooks: Hooks;
  readonly #random: SeededRandom;
  #port = 0;
  #server: ServerProcess | null = null;
  #publishers: Publisher[] = [];
  #publishing: Promise<unknown> = Promise.resolve();

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.hooks = new Hooks(this.#random.fork());
  }

  /** First life: registers the hooks and starts the publishers. */
  async begin(): Promise<void> {
    this.#port = await freePort();
    const server = this.#spawn();
    await server.ready();
    const url = await this.hooks.listen();
    for (const hook of HOOKS) {
      const id = await createHook(server.url, `${url}/${hook}`);
      this.hooks.expectSecret(hook, await readSecret(server.url, id));
    }
    this.#publishers = MANNERS.map((manner) => {
      return new Publisher({ server: server.url, ledger: this.ledger, manner, random: this.#random.fork() });
    });
    this.#publishing = Promise.all(this.#publishers.map((publisher) => publisher.run()));
    // Whoever awaits it later hears of the failure; until then it must not end the process on its own.
    this.#publishing.catch(() => {});
    await pause(LAST_LIFE_MS);
  }

  /** Waits for a random moment in the server's life, kills it, and starts the next. */
  async round(number: number): Promise<Round> {
    const server = this.#current();
    const before = { acknowledged: this.ledger.acknowledged.size, hits: this.hooks.hits.length };
    await this.#momentToKill(server);
    if (!server.running)
      throw new Error(`The server ended by itself. The end of its log:\n${server.logEnd()}`);
    const killedAt = monotonicMs();
    const underWay = this.hooks.hits.filter((hit) => hit.outcome === 'open').length;
    await server.kill();
    await pause(BETWEEN_LIVES_MS);
    const round = {
      number,
      killedAfterMs: killedAt - server.spawnedAt,
      readyAfterMs: server.readyAfterMs,
      acknowledged: this.ledger.acknowledged.size - before.acknowledged,
      hits: this.hooks.hits.length - before.hits,
      underWay,
    };
    this.rounds.push(round);
    this.lives.push({ spawnedAt: server.spawnedAt, killedAt });
    this.#spawn();
    return round;
  }

  /** Lets the last life publish a little, waits until every delivery came to rest, and stops the server by SIGTERM. */
  async finish(): Promise<{ restAfterMs: number | null; exitCode: number | null }> {
    const server = this.#current();
    await server.ready();
    await pause(LAST_LIFE_MS);
    for (const publisher of this.#publishers) publisher.stop();
    await this.#publishing;
    const restAfterMs = await this.hooks.rest({ idleMs: REST_MS, withinMs: REST_WITHIN_MS });
    const exitCode = await server.stop();
    this.lives.push({ spawnedAt: server.spawnedAt, killedAt: null });
    this.hooks.close();
    return { restAfterMs, exitCode };
  }

  async #momentToKill(server: ServerProcess): Promise<void> {
    const atStart = this.#random.fraction() < KILLS_AT_START;
    const { least, most } = atStart ? AFTER_SPAWN_MS : AFTER_READY_MS;
    const delayMs = this.#random.between(least, most);
    if (!atStart) await server.ready();
    await pause(atStart ? Math.max(0, server.spawnedAt + delayMs - monotonicMs()) : delayMs);
  }

  #spawn(): ServerProcess {
    this.#server = new ServerProcess({
      folder: this.folder,
      port: this.#port,
      env: { POSTHORN_RETRY_SCHEDULE: RETRY_SCHEDULE },
    });
    return this.#server;
  }

  #current(): ServerProcess {
    if (this.#server === null) throw new Error('The first life has not begun.');
    return this.#server;
  }
}
