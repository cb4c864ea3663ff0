import { expect } from 'vitest';
import type { EventType } from '../../src/model/event-type.ts';
import { type ContractTest, NOW } from './world.ts';

export function eventTypeContract(test: ContractTest): void {
  test('are added once and listed in the order they were added', async (given) => {
    const { store } = given;
    expect(await store.eventTypeList()).toEqual([]);
    const [b, a, c] = [eventType('b'), eventType('a'), eventType('c')];
    expect(await store.eventTypeInsertMissing({ eventTypes: [b, a] })).toBe(2);
    const changed = { ...a, description: 'other' };
    expect(await store.eventTypeInsertMissing({ eventTypes: [changed, c, c] })).toBe(1);
    expect(await store.eventTypeInsertMissing({ eventTypes: [] })).toBe(0);
    expect(await store.eventTypeList()).toEqual([b, a, c]);
    await given.reopen();
    expect(await given.store.eventTypeList()).toEqual([b, a, c]);
  });

  test('come back as they were put in', async (given) => {
    const schema = { type: 'object', properties: { a: { const: 'ü\u0000🦊' } } };
    const full = { ...eventType('ticket.created'), schema, example: { a: 1e21, b: [null, false] } };
    await given.store.eventTypeInsertMissing({ eventTypes: [full] });
    expect(await given.store.eventTypeFind({ name: 'ticket.created' })).toEqual(full);
    expect(await given.store.eventTypeFind({ name: 'ticket' })).toBeNull();
    expect(await given.store.eventTypeFind({ name: 'TICKET.CREATED' })).toBeNull();
  });

  test('that are archived are found but not listed', async (given) => {
    const archived = { ...eventType('old'), archived: true };
    const live = eventType('new');
    await given.store.eventTypeInsertMissing({ eventTypes: [archived, live] });
    expect(await given.store.eventTypeFind({ name: 'old' })).toEqual(archived);
    expect(await given.store.eventTypeList()).toEqual([live]);
  });
}

function eventType(name: string): EventType {
  const times = { createdAt: NOW, updatedAt: NOW + 1 };
  return { name, description: `About ${name}`, schema: null, example: null, archived: false, ...times };
}
