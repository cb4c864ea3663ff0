import { expect } from 'vitest';
import type { EventType } from '../../src/model/event-type.ts';
import { type ContractTest, type Given, NOW } from './world.ts';

export function eventTypeContract(test: ContractTest): void {
  insertions(test);
  changes(test);
}

function insertions(test: ContractTest): void {
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

  test('come back as they were put in, archived ones too', async (given) => {
    const schemas = { 1: { properties: { a: { const: 'ü\u0000🦊' } }, examples: [{ a: 1e21 }] }, 2: true };
    const full: EventType = {
      ...eventType('ticket.created'),
      schemas,
      archived: true,
      deprecated: true,
      featureFlags: ['beta', 'ü'],
      groupName: 'Tickets',
      validation: 'warn',
    };
    const plain = { ...eventType('plain'), featureFlags: [] };
    await given.store.eventTypeInsertMissing({ eventTypes: [full] });
    expect(await insert(given, plain)).toEqual(plain);
    expect(await given.store.eventTypeList()).toEqual([full, plain]);
  });

  test('are not added when a live one has the name, to the letter', async (given) => {
    const first = eventType('a');
    expect(await insert(given, first)).toEqual(first);
    expect(await insert(given, { ...first, description: 'other' })).toBe('exists');
    const upper = eventType('A');
    expect(await insert(given, upper)).toEqual(upper);
    expect(await given.store.eventTypeList()).toEqual([first, upper]);
  });

  test('overwrite an archived one of their name, in its place', async (given) => {
    const archived = { ...eventType('a'), archived: true, groupName: 'old', schemas: { 1: {} } };
    const next = eventType('b');
    await given.store.eventTypeInsertMissing({ eventTypes: [archived, next] });
    const again = { ...eventType('a'), description: 'new', createdAt: NOW + 7, updatedAt: NOW + 7 };
    const expected = { ...again, createdAt: archived.createdAt };
    expect(await insert(given, again)).toEqual(expected);
    expect(await given.store.eventTypeList()).toEqual([expected, next]);
  });

  test('are limited in number, archived ones too', async (given) => {
    const archived = { ...eventType('a'), archived: true };
    await given.store.eventTypeInsertMissing({ eventTypes: [archived, eventType('b')] });
    expect(await insert(given, eventType('c'), 2)).toBe('limit');
    expect(await insert(given, eventType('b'), 2)).toBe('exists');
    expect(await insert(given, eventType('a'), 2)).toMatchObject({ archived: false });
    expect(await insert(given, eventType('c'), 3)).toEqual(eventType('c'));
  });
}

function changes(test: ContractTest): void {
  test('change only in what is named, archived ones too', async (given) => {
    const before = { ...eventType('a'), archived: true, featureFlags: ['x'], schemas: { 1: {} } };
    const neighbour = eventType('b');
    await given.store.eventTypeInsertMissing({ eventTypes: [before, neighbour] });
    const update = (fields: object, now: number) =>
      given.store.eventTypeUpdate({ name: 'a', now, changes: fields });
    const described = { ...before, description: 'new', updatedAt: NOW + 5 };
    expect(await update({ description: 'new', schemas: undefined }, NOW + 5)).toEqual(described);
    const fields = {
      archived: false,
      deprecated: true,
      featureFlags: null,
      schemas: null,
      groupName: 'g',
      validation: 'reject',
    };
    const changed = { ...described, ...fields, updatedAt: NOW + 6 };
    expect(await update(fields, NOW + 6)).toEqual(changed);
    await given.reopen();
    expect(await given.store.eventTypeList()).toEqual([changed, neighbour]);
  });

  test('that are not there are not changed or deleted', async (given) => {
    await insert(given, eventType('a'));
    const params = { now: NOW, changes: { description: 'x' } };
    expect(await given.store.eventTypeUpdate({ name: 'A', ...params })).toBeNull();
    expect(await given.store.eventTypeDelete({ name: 'A' })).toBe(false);
    expect(await given.store.eventTypeList()).toEqual([eventType('a')]);
  });

  test('are deleted altogether, and can be added again', async (given) => {
    await insert(given, eventType('a'));
    await insert(given, { ...eventType('b'), archived: true });
    for (const name of ['a', 'b']) {
      expect(await given.store.eventTypeDelete({ name })).toBe(true);
      expect(await given.store.eventTypeDelete({ name })).toBe(false);
    }
    expect(await given.store.eventTypeList()).toEqual([]);
    const again = { ...eventType('a'), createdAt: NOW + 9 };
    expect(await insert(given, again, 1)).toEqual(again);
  });
}

function insert(given: Given, added: EventType, limit = 100) {
  return given.store.eventTypeInsert({ eventType: added, limit });
}

function eventType(name: string): EventType {
  return {
    name,
    description: `About ${name}`,
    schemas: null,
    archived: false,
    deprecated: false,
    featureFlags: null,
    groupName: null,
    validation: 'off',
    createdAt: NOW,
    updatedAt: NOW + 1,
  };
}
