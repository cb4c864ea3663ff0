import type { Application } from '../../src/model/application.ts';
import type { Random } from '../../src/model/clock.ts';
import type { DeliveryState } from '../../src/model/delivery.ts';
import type { Endpoint } from '../../src/model/endpoint.ts';
import type { Message } from '../../src/model/message.ts';
import type { ManualClock } from '../helpers/manual-clock.ts';
import type { Process } from './process.ts';
import { Switches } from './switches.ts';

export interface Published {
  readonly application: Application;
  readonly payload: string;
  readonly deliverAt: number | null;
  readonly expiresAt: number | null;
  readonly payloadUntil: number | null;
  readonly orderingKey: string | null;
}

export interface Resent {
  readonly messageId: string;
  readonly endpointKey: number;
  readonly at: number;
}

/** What was done to a delivery, or asked for and perhaps done. */
export interface Interventions {
  /** When a cancellation was answered. */
  cancelledAt: number | null;
  cancelAsked: boolean;
  skipAsked: boolean;
  resendAsked: boolean;
  /** It was to go out before its time, or to begin anew. */
  hurryAsked: boolean;
}

/** Messages' ids tell their time in such steps. */
const ID_STEP_MS = 4;

/** The description of endpoints that nobody disables. */
export const ONLY_PAUSED = 'only paused';

/** A person who publishes, and then does everything the API allows, at random. It keeps a record of what was answered. */
export class Operator {
  readonly published = new Map<string, Published>();
  /** Resends that were answered. */
  readonly resent: Resent[] = [];
  /** When each was expunged, at the latest. */
  readonly expunged = new Map<string, number>();
  readonly expungeAsked = new Set<string>();
  /** Endpoints to which messages were replayed that may have arrived there before. */
  readonly replayedTo = new Set<number>();
  /** When what was held for an endpoint was to be discarded. */
  readonly discardsAsked: { readonly endpointKey: number; readonly at: number }[] = [];
  readonly switches: Switches;
  /** How often each thing was done, and answered. */
  readonly done = new Map<string, number>();
  readonly #interventions = new Map<string, Interventions>();
  readonly #tasks: string[] = [];
  readonly #clock: ManualClock;
  readonly #random: Random;

  constructor(clock: ManualClock, random: Random) {
    this.#clock = clock;
    this.#random = random;
    this.switches = new Switches(clock);
  }

  /** Publishes, and now and then does something else. Does not wait for the answers. */
  act(process: Process, applications: readonly Application[], step: number): void {
    const count = Math.floor(this.#random.fraction() * 6);
    for (let n = 0; n < count; n++) this.#publish(process, this.#pick(applications), `{"n":"${step} ${n}"}`);
    const times = Math.floor(this.#random.fraction() * 12);
    for (let n = 0; n < times; n++) void this.#act(process, this.#pick(applications)).catch(() => {});
  }

  interventionsOf(messageId: string, endpointKey: number): Interventions {
    const place = `${messageId} ${endpointKey}`;
    const found = this.#interventions.get(place) ?? {
      cancelledAt: null,
      cancelAsked: false,
      skipAsked: false,
      resendAsked: false,
      hurryAsked: false,
    };
    this.#interventions.set(place, found);
    return found;
  }

  /** Whether a message made at that time was perhaps discarded while it was held for the endpoint. */
  mayBeDiscarded(endpointKey: number, createdAt: number): boolean {
    return this.discardsAsked.some(
      (asked) => asked.endpointKey === endpointKey && asked.at + ID_STEP_MS > createdAt,
    );
  }

  #publish(process: Process, application: Application, payload: string): void {
    const now = this.#clock.now();
    const later = (least: number, most: number) => now + Math.floor(least + this.#random.fraction() * most);
    const deliverAt = this.#random.fraction() < 0.1 ? later(-10_000, 40_000) : null;
    const expiresAt =
      this.#random.fraction() < 0.15 ? Math.max(later(1_000, 60_000), (deliverAt ?? 0) + 1_000) : null;
    const payloadUntil = this.#random.fraction() < 0.05 ? later(30_000, 60_000) : null;
    const orderingKey = this.#pick(['a', 'b', null]);
    const fields = { deliverAt, expiresAt, payloadUntil, orderingKey };
    void process.publish(application, payload, fields).then((id) => {
      if (id !== null) this.published.set(id, { application, payload, ...fields });
    });
  }

  async #act(process: Process, application: Application): Promise<void> {
    const endpoints = await process.engine.registry.endpointList(application);
    const { endpoint } = this.#pick(endpoints);
    const chance = this.#random.fraction();
    if (chance < 0.3) return this.#switch(process, application, endpoint);
    if (chance < 0.5) return this.#begin(process, endpoint, this.#pick(endpoints).endpoint);
    const messageId = this.#pick([...this.published.keys()].slice(-12));
    if (messageId === undefined) return;
    const of = this.published.get(messageId)?.application as Application;
    const message = await process.store.messageFind({ applicationKey: of.key, ref: messageId });
    if (message === null) throw new Error(`The acknowledged message ${messageId} is gone.`);
    const all = await process.engine.registry.endpointList(of);
    const ordered = all.filter((each) => each.endpoint.ordering !== 'none');
    // More often one that is ordered: there most can go wrong.
    const own = this.#pick(this.#random.fraction() < 0.3 ? ordered : all).endpoint;
    await this.#touch(process, message, own);
  }

  async #switch(process: Process, application: Application, endpoint: Endpoint): Promise<void> {
    const name =
      endpoint.description === ONLY_PAUSED ? 'paused' : this.#pick(['disabled', 'paused'] as const);
    const isOn = name === 'disabled' ? endpoint.disabled : endpoint.pausedAt !== null;
    // Some are on their way into the store meanwhile, for what the endpoint was or is.
    for (let n = 0; n < 3; n++) {
      const publish = () => this.#publish(process, application, `{"n":"beside ${this.published.size} ${n}"}`);
      this.#clock.timer(this.#random.fraction() * 40, publish);
    }
    await this.switches.set(process, application, endpoint.id, { name, on: !isOn });
    if (isOn || this.#random.fraction() < 0.6) return;
    // Changes their mind at once.
    await new Promise<void>((resolve) => void this.#clock.timer(this.#random.fraction() * 300, resolve));
    await this.switches.set(process, application, endpoint.id, { name, on: false });
  }

  /** Something with many deliveries. */
  async #begin(process: Process, endpoint: Endpoint, other: Endpoint): Promise<void> {
    const { redelivery } = process.engine;
    const now = this.#clock.now();
    const asked = { source: endpoint, target: endpoint, filter: {}, from: now - 120_000, to: now, rate: 20 };
    const chance = this.#random.fraction();
    if (chance < 0.2) {
      await this.#count('recover', redelivery.replay({ ...asked, kind: 'recover' }), ({ id }) =>
        this.#tasks.push(id),
      );
    } else if (chance < 0.5) {
      await this.#count('release', redelivery.release(endpoint, { rate: 20 }));
    } else if (chance < 0.6) {
      this.discardsAsked.push({ endpointKey: endpoint.key, at: now });
      await this.#count('discard', redelivery.discard(endpoint));
    } else if (chance < 0.8) {
      const target = other.ordering === 'none' ? other : endpoint;
      const states: DeliveryState[] =
        target === endpoint ? ['failed', 'held'] : ['succeeded', 'failed', 'held'];
      if (target !== endpoint) this.replayedTo.add(target.key);
      const replay = { ...asked, kind: 'replay', target, filter: { states } } as const;
      await this.#count('replay', redelivery.replay(replay), ({ id }) => this.#tasks.push(id));
    } else if (this.#tasks.length > 0) {
      await this.#count('cancel a task', redelivery.taskCancel(null, this.#pick(this.#tasks)));
    }
  }

  /** Something with one message, or its delivery. */
  async #touch(process: Process, message: Message, endpoint: Endpoint): Promise<void> {
    const { redelivery } = process.engine;
    const of = this.interventionsOf(message.id, endpoint.key);
    const chance = this.#random.fraction();
    if (chance < 0.2) {
      this.expungeAsked.add(message.id);
      await this.#count('expunge', redelivery.expunge(message));
      this.expunged.set(message.id, this.#clock.now());
    } else if (chance < 0.4) {
      of.cancelAsked = true;
      await this.#count('cancel', redelivery.cancel(message, endpoint));
      of.cancelledAt = this.#clock.now();
    } else if (chance < 0.55) {
      of.skipAsked = true;
      await this.#count('skip', redelivery.skip(message, endpoint));
    } else if (chance < 0.7) {
      of.hurryAsked = true;
      await this.#count('retry', redelivery.retry(message, endpoint));
    } else {
      of.resendAsked = true;
      of.cancelledAt = null;
      await this.#count('resend', redelivery.resend(message, endpoint));
      this.resent.push({ messageId: message.id, endpointKey: endpoint.key, at: this.#clock.now() });
    }
  }

  async #count<Result>(
    name: string,
    result: Promise<Result>,
    take?: (result: Result) => void,
  ): Promise<void> {
    take?.(await result);
    await result;
    this.done.set(name, (this.done.get(name) ?? 0) + 1);
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random.fraction() * from.length)] as T;
  }
}
