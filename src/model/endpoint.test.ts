import { describe, expect, it } from 'vitest';
import { type Endpoint, heldReason, matches, matchesAny, mismatch, orderKeyOf } from './endpoint.ts';

const endpoint = (fields: Partial<Endpoint>) => fields as Endpoint;

describe('event types', () => {
  it('are one by name, or all that begin as one that ends in .*', () => {
    const patterns = ['ticket.*', 'chat.message.created'];
    for (const wanted of ['ticket.created', 'ticket.reply.created', 'ticket.', 'chat.message.created'])
      expect(matchesAny(patterns, wanted)).toBe(true);
    for (const other of ['ticket', 'tickets.created', 'chat.message', 'a.ticket.created', 'Ticket.created'])
      expect(matchesAny(patterns, other)).toBe(false);
    expect(matchesAny([], 'ticket.created')).toBe(false);
  });

  it('are looked up where there are many, with the same outcome', () => {
    const others = Array.from({ length: 1_000 }, (_, index) => `other.event_${index}.*`);
    const words = [
      'ticket',
      'ticket.',
      'ticket.*',
      'ticket.a',
      'ticket.a.b',
      'tickets.a',
      '.a',
      '..',
      '*',
      '.*',
      '',
    ];
    for (const pattern of ['ticket.*', 'ticket.a', 'ticket.a.*', '.*', '*', 'ticket*']) {
      for (const word of words)
        expect([pattern, word, matchesAny([...others, pattern], word)]).toEqual([
          pattern,
          word,
          matchesAny([pattern], word),
        ]);
    }
  });

  it('take moments, however many endpoints ask for however many', () => {
    const patterns = Array.from({ length: 1_000 }, (_, index) => `ticket.event_${index}.*`);
    const lists = Array.from({ length: 1_000 }, () => [...patterns]);
    const times = [1, 2, 3].map(() => {
      const begin = performance.now();
      expect(lists.some((each) => matchesAny(each, 'ticket.created'))).toBe(false);
      return performance.now() - begin;
    });
    expect(Math.min(...times)).toBeLessThan(15);
  });

  it('with a star in another place are what they are', () => {
    expect(matchesAny(['*'], 'ticket')).toBe(false);
    expect(matchesAny(['ticket*'], 'tickets')).toBe(false);
    expect(matchesAny(['*.created'], 'ticket.created')).toBe(false);
  });
});

describe('an endpoint', () => {
  it('wants a message by its event type, then by one of its channels', () => {
    const all = endpoint({ eventTypes: null, channels: null });
    const some = endpoint({ eventTypes: ['ticket.*'], channels: ['a', 'b'] });
    const message = (eventType: string, channels: string[] | null) => ({ eventType, channels });
    expect(matches(all, message('x', null))).toBe(true);
    expect(mismatch(some, message('ticket.created', ['c', 'b']))).toBeNull();
    expect(mismatch(some, message('chat.created', ['b']))).toBe('event_type');
    for (const channels of [null, [], ['c']])
      expect(mismatch(some, message('ticket.created', channels))).toBe('channels');
  });

  it('takes nothing while it is disabled or paused, and disabled is what counts', () => {
    expect(heldReason(endpoint({ disabled: false, pausedAt: null }))).toBeNull();
    expect(heldReason(endpoint({ disabled: false, pausedAt: 0 }))).toBe('endpoint_paused');
    expect(heldReason(endpoint({ disabled: true, pausedAt: 0 }))).toBe('endpoint_disabled');
  });

  it('is ordered by nothing, as a whole, or by the key of a message that has one', () => {
    const keys = (['none', 'endpoint', 'key'] as const).map((ordering) => [
      orderKeyOf(endpoint({ ordering }), 'k'),
      orderKeyOf(endpoint({ ordering }), null),
    ]);
    expect(keys).toEqual([
      [null, null],
      ['', ''],
      ['k', null],
    ]);
  });
});
