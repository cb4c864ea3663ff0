import type { Signal, Store } from '../store/store.ts';

export interface TellingOptions {
  store: Pick<Store, 'shared' | 'signalSend'>;
  log: { warn(fields: object, text: string): void };
}

type StoredEndpoints = Extract<Signal, { kind: 'stored' }>['endpoints'];

/** Endpoints named by one signal. */
const ENDPOINTS_AT_ONCE = 1_000;

/** What this process tells the others of its own accord: the store tells of its changes by itself. What gets lost they find later. */
export class Telling {
  readonly #options: TellingOptions;

  constructor(options: TellingOptions) {
    this.#options = options;
  }

  /** Deliveries of these wait in the store, and another node sends them. */
  stored(endpoints: StoredEndpoints): void {
    for (let start = 0; start < endpoints.length; start += ENDPOINTS_AT_ONCE)
      this.#send({ kind: 'stored', endpoints: endpoints.slice(start, start + ENDPOINTS_AT_ONCE) });
  }

  /** Somebody wants something sent to it now. */
  hurry(endpointKey: number): void {
    this.#send({ kind: 'hurry', endpointKey });
  }

  #send(signal: Signal): void {
    const { store, log } = this.#options;
    if (!store.shared) return;
    store.signalSend({ signals: [signal] }).catch((error: unknown) => {
      log.warn({ err: error, signal: signal.kind }, 'the other nodes could not be told; they find out later');
    });
  }
}
