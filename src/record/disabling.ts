import type { DisabledReason } from '../model/endpoint.ts';

/** Why an endpoint is disabled, and since when nothing but failure came back. */
interface Why {
  readonly reason: Exclude<DisabledReason, 'manual'>;
  readonly since: number;
}

export interface DisablingOptions {
  /** Resolves to whether it was enabled until then. */
  disable(endpointKey: number, why: Why): Promise<boolean>;
  log: { warn(fields: object, text: string): void };
}

/** Disables endpoints for what they answered, one request at a time for each. Where that fails, the next failure asks again. */
export class Disabling {
  readonly #options: DisablingOptions;
  readonly #under = new Set<number>();

  constructor(options: DisablingOptions) {
    this.#options = options;
  }

  /** Never throws, and nobody waits for it. */
  ask(endpointKey: number, why: Why): void {
    if (this.#under.has(endpointKey)) return;
    this.#under.add(endpointKey);
    void this.#run(endpointKey, why);
  }

  async #run(endpointKey: number, why: Why): Promise<void> {
    const { disable, log } = this.#options;
    const fields = { endpointKey, reason: why.reason, failingSince: new Date(why.since).toISOString() };
    try {
      if (await disable(endpointKey, why)) log.warn(fields, 'an endpoint was disabled for what it answered');
    } catch (error) {
      log.warn(
        { ...fields, err: error },
        'an endpoint could not be disabled for what it answered; its next failure tries again',
      );
    } finally {
      this.#under.delete(endpointKey);
    }
  }
}
