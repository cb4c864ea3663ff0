import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../model/endpoint.ts';
import { fanOut } from './fan-out.ts';

function endpoint(key: number, fields: Partial<Endpoint> = {}): { endpoint: Endpoint } {
  return { endpoint: { key, eventTypes: null, channels: null, disabled: false, ...fields } as Endpoint };
}

const message = { eventType: 'ticket.created', channels: null };

describe('fan-out', () => {
  it('has a delivery for each endpoint that wants the message: sent from memory, waiting, or held', () => {
    const table = [
      endpoint(1),
      endpoint(2),
      endpoint(3, { disabled: true }),
      endpoint(4, { eventTypes: ['ticket.updated'] }),
    ];
    expect(fanOut(message, table, null, (key) => key === 1)).toEqual([
      { endpointKey: 1, state: 'sending' },
      { endpointKey: 2, state: 'pending' },
      { endpointKey: 3, state: 'held' },
    ]);
  });

  it('has one for the endpoint that was named, whatever its filters say, and none when that is gone', () => {
    const table = [endpoint(1), endpoint(4, { eventTypes: ['ticket.updated'] })];
    expect(fanOut(message, table, 4, () => true)).toEqual([{ endpointKey: 4, state: 'sending' }]);
    expect(fanOut(message, table, 5, () => true)).toEqual([]);
  });
});
