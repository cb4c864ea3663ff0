import type { Application } from '../../src/model/application.ts';
import type { ManualClock } from '../helpers/manual-clock.ts';
import type { Process } from './process.ts';

/** What a person switches on at an endpoint, so that it takes nothing. */
export type Switch = 'disabled' | 'paused';

/** When a switch was on for certain: from the change's end to the beginning of the next. */
export interface Span {
  readonly endpointKey: number;
  readonly name: Switch;
  readonly from: number;
  until: number;
}

/** The switches of all endpoints, as a person has them, and when each was on. */
export class Switches {
  readonly spans: Span[] = [];
  readonly #clock: ManualClock;
  readonly #on = new Map<string, Span>();
  readonly #changing = new Set<string>();

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  /** What was under way at the end of a process has an outcome that the next one knows. */
  async restarted(process: Process, applications: readonly Application[]): Promise<void> {
    this.#changing.clear();
    for (const application of applications) {
      for (const { endpoint } of await process.engine.registry.endpointList(application)) {
        this.#know(endpoint.key, 'disabled', endpoint.disabled);
        this.#know(endpoint.key, 'paused', endpoint.pausedAt !== null);
      }
    }
  }

  async set(
    process: Process,
    application: Application,
    endpointId: string,
    change: { name: Switch; on: boolean },
  ): Promise<void> {
    const { registry } = process.engine;
    const { endpoint } = await registry.endpoint(application, endpointId);
    const place = `${endpoint.key} ${change.name}`;
    if (this.#changing.has(place)) return;
    this.#changing.add(place);
    this.#know(endpoint.key, change.name, false);
    let { on } = change;
    try {
      await registry.endpointUpdate(application, endpoint, { [change.name]: on });
    } catch {
      // Refused: it is as it was.
      on = change.name === 'disabled' ? endpoint.disabled : endpoint.pausedAt !== null;
    }
    this.#know(endpoint.key, change.name, on);
    this.#changing.delete(place);
  }

  #know(endpointKey: number, name: Switch, on: boolean): void {
    const place = `${endpointKey} ${name}`;
    const span = this.#on.get(place);
    if (on && span === undefined) {
      const begun = { endpointKey, name, from: this.#clock.now(), until: Number.POSITIVE_INFINITY };
      this.#on.set(place, begun);
      this.spans.push(begun);
    }
    if (!on && span !== undefined) {
      span.until = this.#clock.now();
      this.#on.delete(place);
    }
  }
}
