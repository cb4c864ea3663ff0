import type { Application } from '../../src/model/application.ts';
import type { Random } from '../../src/model/clock.ts';
import type { ManualClock } from '../helpers/manual-clock.ts';
import type { Process } from './process.ts';

export interface Published {
  readonly application: Application;
  readonly payload: string;
  readonly deliverAt: number | null;
  readonly payloadUntil: number | null;
}

export interface Resent {
  readonly messageId: string;
  readonly endpointKey: number;
  readonly at: number;
}

/** When an endpoint was disabled for certain: from the change's end to the beginning of the next. */
export interface DisabledSpan {
  readonly endpointKey: number;
  readonly from: number;
  until: number;
}

/** A person who publishes, and then does everything the API allows, at random. It keeps a record of what was answered. */
export class Operator {
  readonly published = new Map<string, Published>();
  /** Resends that were answered. */
  readonly resent: Resent[] = [];
  /** Asked for; whether it was done is not known. */
  readonly resendAsked = new Set<string>();
  /** When each was expunged, at the latest. */
  readonly expunged = new Map<string, number>();
  readonly expungeAsked = new Set<string>();
  readonly spans: DisabledSpan[] = [];
  readonly #clock: ManualClock;
  readonly #random: Random;
  readonly #disabled = new Map<number, DisabledSpan>();
  readonly #changing = new Set<number>();

  constructor(clock: ManualClock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Publishes, and now and then does something else. Does not wait for the answers. */
  act(process: Process, applications: readonly Application[], step: number): void {
    const count = Math.floor(this.#random.fraction() * 6);
    for (let n = 0; n < count; n++) this.#publish(process, this.#pick(applications), `{"n":"${step} ${n}"}`);
    const times = Math.floor(this.#random.fraction() * 6);
    for (let n = 0; n < times; n++) void this.#act(process, this.#pick(applications)).catch(() => {});
  }

  /** What was under way at the end of a process has an outcome that the next one knows. */
  async restarted(process: Process, applications: readonly Application[]): Promise<void> {
    this.#changing.clear();
    for (const application of applications) {
      for (const { endpoint } of await process.engine.registry.endpointList(application)) {
        if (endpoint.disabled) this.#begin(endpoint.key);
        else this.#end(endpoint.key);
      }
    }
  }

  async setDisabled(
    process: Process,
    application: Application,
    endpointId: string,
    disabled: boolean,
  ): Promise<void> {
    const { registry } = process.engine;
    const { endpoint } = await registry.endpoint(application, endpointId);
    if (this.#changing.has(endpoint.key)) return;
    this.#changing.add(endpoint.key);
    this.#end(endpoint.key);
    try {
      await registry.endpointUpdate(application, endpoint, { disabled });
    } catch {
      // Refused: it is as it was.
      disabled = endpoint.disabled;
    }
    if (disabled) this.#begin(endpoint.key);
    this.#changing.delete(endpoint.key);
  }

  #publish(process: Process, application: Application, payload: string): void {
    const inMs = Math.floor(this.#random.fraction() * 40_000) - 10_000;
    const deliverAt = this.#random.fraction() < 0.1 ? this.#clock.now() + inMs : null;
    const keptMs = 30_000 + this.#random.fraction() * 60_000;
    const payloadUntil = this.#random.fraction() < 0.05 ? Math.floor(this.#clock.now() + keptMs) : null;
    const times = { deliverAt, payloadUntil };
    void process.publish(application, payload, times).then((id) => {
      if (id !== null) this.published.set(id, { application, payload, ...times });
    });
  }

  async #act(process: Process, application: Application): Promise<void> {
    const { registry, redelivery } = process.engine;
    const endpoints = await registry.endpointList(application);
    const { endpoint } = this.#pick(endpoints);
    const chance = this.#random.fraction();
    if (chance < 0.3) {
      await this.setDisabled(process, application, endpoint.id, !endpoint.disabled);
      if (endpoint.disabled || chance > 0.2) return;
      // Changes their mind at once.
      await new Promise<void>((resolve) => void this.#clock.timer(this.#random.fraction() * 300, resolve));
      await this.setDisabled(process, application, endpoint.id, endpoint.disabled);
      return;
    }
    if (chance < 0.45) {
      const now = this.#clock.now();
      await redelivery.recover(application, endpoint, { from: now - 120_000, to: now });
      return;
    }
    const messageId = this.#pick([...this.published.keys()].slice(-12));
    if (messageId === undefined) return;
    const of = this.published.get(messageId)?.application as Application;
    const message = await process.store.messageFind({ applicationKey: of.key, ref: messageId });
    if (message === null) throw new Error(`The acknowledged message ${messageId} is gone.`);
    if (chance < 0.55) {
      this.expungeAsked.add(messageId);
      await redelivery.expunge(message);
      this.expunged.set(messageId, this.#clock.now());
      return;
    }
    const own = this.#pick(await registry.endpointList(of)).endpoint;
    this.resendAsked.add(`${messageId} ${own.key}`);
    await redelivery.resend(message, own);
    this.resent.push({ messageId, endpointKey: own.key, at: this.#clock.now() });
  }

  #begin(endpointKey: number): void {
    if (this.#disabled.has(endpointKey)) return;
    const span = { endpointKey, from: this.#clock.now(), until: Number.POSITIVE_INFINITY };
    this.#disabled.set(endpointKey, span);
    this.spans.push(span);
  }

  #end(endpointKey: number): void {
    const span = this.#disabled.get(endpointKey);
    if (span !== undefined) span.until = this.#clock.now();
    this.#disabled.delete(endpointKey);
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random.fraction() * from.length)] as T;
  }
}
