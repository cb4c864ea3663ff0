import { expect } from 'vitest';
import { LeapingClock } from '../helpers/leaping-clock.ts';
import { type Reply, startWorld, type World, type WorldOptions } from '../helpers/world.ts';
import { Target } from './target.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
export type Json = any;

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** What is told to happen within a moment of real time. */
const PATIENCE = { timeout: 8_000, interval: 10 };

/** A whole server whose time can be moved, and company 1 in it, as an operator and a receiver see it. */
export class Scene {
  readonly clock: LeapingClock;
  readonly #options: WorldOptions;
  readonly #targets: Target[] = [];
  #world: World;

  private constructor(world: World, clock: LeapingClock, options: WorldOptions) {
    this.#world = world;
    this.clock = clock;
    this.#options = options;
  }

  static async start(options: WorldOptions = {}): Promise<Scene> {
    const clock = new LeapingClock();
    const all = { clock, ...options };
    return new Scene(await startWorld(all), clock, all);
  }

  get world(): World {
    return this.#world;
  }

  async target(): Promise<Target> {
    const target = await Target.start(this.clock);
    this.#targets.push(target);
    return target;
  }

  /** Ends the server and starts another in its folder; `meanwhile` the server is not there. */
  async restart(meanwhile: () => void = () => {}): Promise<void> {
    const { folder } = this.#world;
    await this.#world.close({ keepFolder: true });
    meanwhile();
    this.#world = await startWorld({ ...this.#options, folder });
  }

  async end(): Promise<void> {
    // Requests that are kept would keep the server from ending.
    for (const target of this.#targets) await target.close();
    await this.#world.close();
  }

  /** A call of the operator for company 1, which is answered with this status; the body. */
  async ask(status: number, method: string, path: string, body?: unknown): Promise<Json> {
    return this.askAll(status, method, `/app/1${path}`, body);
  }

  /** A call of the operator about all companies. */
  async askAll(status: number, method: string, path: string, body?: unknown): Promise<Json> {
    const reply = await this.#world.operate(method, `/api/v1${path}`, body);
    expect({ [`${method} ${path}`]: reply.status, body: reply.text }).toEqual({
      [`${method} ${path}`]: status,
      body: reply.text,
    });
    return bodyOf(reply);
  }

  /** An endpoint of company 1, with the uid as its name in paths; how it is. */
  endpoint(uid: string, { url }: { url: string }, fields: object = {}): Promise<Json> {
    return this.ask(201, 'POST', '/endpoint', { uid, url, ...fields });
  }

  /** So many endpoints of company 1, without a look at the answers: what the other calls check is much of their time. */
  async endpoints(count: number, { url }: { url: string }, fields: object): Promise<void> {
    const headers = { authorization: `Bearer ${this.#world.operatorKey}` };
    const body = JSON.stringify({ url, ...fields });
    const make = () => fetch(`${this.#world.url}/api/v1/app/1/endpoint`, { method: 'POST', headers, body });
    for (let made = 0; made < count; made += 50) {
      const answers = await Promise.all(Array.from({ length: Math.min(50, count - made) }, make));
      for (const { status } of answers) expect(status).toBe(201);
    }
  }

  change(uid: string, fields: object): Promise<Json> {
    return this.ask(200, 'PATCH', `/endpoint/${uid}`, fields);
  }

  /** Publishes `{"n": n}`; the message's id. */
  async publish(n: number, fields: object = {}): Promise<string> {
    const message = { eventType: 'ticket.created', payload: { n }, ...fields };
    return (await this.ask(202, 'POST', '/msg', message)).id;
  }

  /** Publishes `{"n": first}` to `{"n": last}` at once; the messages' ids. */
  async publishAll(
    first: number,
    last: number,
    fields: (n: number) => object = () => ({}),
  ): Promise<string[]> {
    const messages = Array.from({ length: last - first + 1 }, (_, index) => ({
      eventType: 'ticket.created',
      payload: { n: first + index },
      ...fields(first + index),
    }));
    const { data } = await this.ask(202, 'POST', '/msg/batch', { messages });
    return data.map(({ id }: { id: string }) => id);
  }

  /** How a message's delivery to an endpoint is. */
  async delivery(id: string, uid: string): Promise<Json> {
    const { data } = await this.ask(200, 'GET', `/msg/${id}/endpoint`);
    return data.find((each: Json) => each.uid === uid);
  }

  /** Waits until a delivery is in that state; how it is then. */
  async until(id: string, uid: string, expected: object): Promise<Json> {
    await this.soon(() => this.delivery(id, uid), expected);
    return this.delivery(id, uid);
  }

  /** Waits until so many attempts of a delivery's schedule are on record. */
  tried(id: string, uid: string, attemptCount: number): Promise<Json> {
    return this.until(id, uid, { attemptCount });
  }

  health(uid: string): Promise<Json> {
    return this.ask(200, 'GET', `/endpoint/${uid}/health`);
  }

  explain(id: string, uid: string): Promise<Json> {
    return this.ask(200, 'GET', `/msg/${id}/endpoint/${uid}/explain`);
  }

  /** Waits until a task has ended; how it is then. */
  async ended({ id }: { id: string }): Promise<Json> {
    let task: Json;
    const read = async () => {
      task = await this.ask(200, 'GET', `/task/${id}`);
      return task.status;
    };
    await expect.poll(read, PATIENCE).not.toBe('running');
    return task;
  }

  /** Waits until it reads so. */
  async soon(read: () => Promise<Json> | Json, expected: unknown): Promise<void> {
    const matcher = expect.poll(read, PATIENCE);
    if (typeof expected === 'object' && expected !== null) await matcher.toMatchObject(expected);
    else await matcher.toBe(expected);
  }

  /** A time of that many ms from now, as the API takes it. */
  time(fromNowMs: number): string {
    return new Date(this.clock.now() + fromNowMs).toISOString();
  }
}

function bodyOf({ text }: Reply): Json {
  return text === '' ? null : JSON.parse(text);
}
