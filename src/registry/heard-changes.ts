import { isDeepStrictEqual } from 'node:util';
import type { RegisteredApplication } from './registered-application.ts';

/** Who wants to know what becomes of endpoints and applications, whichever process changed them. */
export interface ChangeListeners {
  onEndpointChanged: (endpointKey: number) => void;
  /** It was disabled, and is no more: what it did before counts no longer. */
  onEndpointEnabled: (endpointKey: number) => void;
  onEndpointDeleted: (endpointKey: number) => void;
  /** It may have been changed by another process: nobody knows what it was like before. */
  onEndpointUnsure: (endpointKey: number) => void;
  onApplicationDeleted: (applicationKey: number) => void;
}

/** An application as another process left it, and as it was known here. */
export interface Renewal {
  readonly applicationKey: number;
  /** Endpoints of it that memory may have something of. */
  readonly endpointKeys: readonly number[];
  /** Null: only these endpoints of it are known. */
  readonly before: RegisteredApplication | null;
  /** Null: it is gone. */
  readonly now: RegisteredApplication | null;
}

/** Tells of what is another than before. New endpoints are nothing to tell of: nobody knows them yet. */
export function tellOfChanges(listeners: ChangeListeners, renewal: Renewal): void {
  const { applicationKey, endpointKeys, before, now } = renewal;
  if (now === null) listeners.onApplicationDeleted(applicationKey);
  const throttled = before?.application.throttleRate !== now?.application.throttleRate;
  for (const endpointKey of endpointKeys) {
    const known = before?.endpointByKey(endpointKey)?.endpoint;
    const found = now?.endpointByKey(endpointKey)?.endpoint;
    if (found === undefined) listeners.onEndpointDeleted(endpointKey);
    else if (known === undefined) listeners.onEndpointUnsure(endpointKey);
    else if (throttled || !isDeepStrictEqual(known, found)) {
      if (known.disabled && !found.disabled) listeners.onEndpointEnabled(endpointKey);
      listeners.onEndpointChanged(endpointKey);
    }
  }
}
