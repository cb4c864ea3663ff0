import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../model/endpoint.ts';
import { fanOut } from './fan-out.ts';

const PLAIN = { eventTypes: null, channels: null, disabled: false, pausedAt: null, ordering: 'none' };

function endpoint(key: number, fields: Partial<Endpoint> = {}): { endpoint: Endpoint } {
  return { endpoint: { key, ...PLAIN, ...fields } as Endpoint };
}

const message = { eventType: 'ticket.created', channels: null, orderingKey: null };
const unordered = { orderKey: null };

describe('fan-out', () => {
  it('has a delivery for each endpoint that wants the message: sent from memory, waiting, or held', () => {
    const table = [
      endpoint(1),
      endpoint(2),
      endpoint(3, { disabled: true, pausedAt: 5 }),
      endpoint(4, { eventTypes: ['ticket.updated'] }),
      endpoint(5, { eventTypes: ['chat.*', 'ticket.*'], pausedAt: 5 }),
    ];
    expect(fanOut(message, table, null, (key) => key === 1)).toEqual([
      { endpointKey: 1, state: 'sending', ...unordered },
      { endpointKey: 2, state: 'pending', ...unordered },
      { endpointKey: 3, state: 'held', reason: 'endpoint_disabled', ...unordered },
      { endpointKey: 5, state: 'held', reason: 'endpoint_paused', ...unordered },
    ]);
  });

  it('has one for the endpoint that was named, whatever its filters say, and none when that is gone', () => {
    const table = [endpoint(1), endpoint(4, { eventTypes: ['ticket.updated'] })];
    expect(fanOut(message, table, 4, () => true)).toEqual([
      { endpointKey: 4, state: 'sending', ...unordered },
    ]);
    expect(fanOut(message, table, 5, () => true)).toEqual([]);
  });

  it('leaves what is ordered to the store, and takes no room in memory for it', () => {
    const table = [
      endpoint(1, { ordering: 'endpoint' }),
      endpoint(2, { ordering: 'key' }),
      endpoint(3, { ordering: 'key', disabled: true }),
    ];
    const admitted: number[] = [];
    const admit = (key: number) => admitted.push(key) > 0;
    expect(fanOut({ ...message, orderingKey: 'ticket 7' }, table, null, admit)).toEqual([
      { endpointKey: 1, state: 'pending', orderKey: '' },
      { endpointKey: 2, state: 'pending', orderKey: 'ticket 7' },
      { endpointKey: 3, state: 'held', reason: 'endpoint_disabled', orderKey: 'ticket 7' },
    ]);
    expect(admitted).toEqual([]);
    // Without a key of its own it is ordered by nothing.
    expect(fanOut(message, table.slice(1, 2), null, admit)).toEqual([
      { endpointKey: 2, state: 'sending', ...unordered },
    ]);
  });
});
