import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { openSqliteStore } from '../store/sqlite/open.ts';
import type { Store } from '../store/store.ts';
import { type EventTypeFields, EventTypes } from './event-types.ts';

let folder: string;
let store: Store;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-event-types-'));
  store = await openSqliteStore({ folder });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

/** Room for this many characters of schemas in all. */
const ROOM = 1_000;
const catalogue = () => new EventTypes({ store, clock: new ManualClock(), schemasCharacters: ROOM });

/** An event type whose schemas have so many characters as JSON; 0: none. */
function fields(characters: number): EventTypeFields {
  const text = 'x'.repeat(Math.max(0, characters - '{"1":{"a":""}}'.length));
  return {
    description: '',
    schemas: characters === 0 ? null : { 1: { a: text } },
    archived: false,
    deprecated: false,
    featureFlags: null,
    groupName: null,
    validation: 'off',
  };
}

const full = { code: 'limit_reached' };

describe('the schemas of the whole catalogue', () => {
  it('are bounded when event types are made, replaced and changed', async () => {
    const eventTypes = catalogue();
    await eventTypes.create('one', fields(600));
    await eventTypes.create('two', fields(400));
    await expect(eventTypes.create('three', fields(14))).rejects.toMatchObject(full);
    await expect(eventTypes.put('three', fields(14))).rejects.toMatchObject(full);
    await expect(eventTypes.put('two', fields(401))).rejects.toMatchObject(full);
    await expect(eventTypes.update('two', { schemas: fields(401).schemas })).rejects.toMatchObject(full);
    await eventTypes.create('three', fields(0));
    await eventTypes.update('two', { description: 'changed', schemas: fields(400).schemas });
    await eventTypes.put('one', fields(599));
    await expect(eventTypes.create('one', fields(900))).rejects.toMatchObject({ code: 'event_type_exists' });
    expect((await eventTypes.list()).map(({ name }) => name)).toEqual(['one', 'two', 'three']);
  });

  it('count while an event type is archived, and no more once it is removed', async () => {
    const eventTypes = catalogue();
    await eventTypes.create('one', fields(ROOM));
    await eventTypes.update('one', { archived: true });
    await expect(eventTypes.create('two', fields(14))).rejects.toMatchObject(full);
    await expect(eventTypes.create('one', fields(ROOM + 1))).rejects.toMatchObject(full);
    await eventTypes.create('one', fields(ROOM));
    await eventTypes.delete('one');
    await eventTypes.create('two', fields(ROOM));
  });

  it('count as they are in the store, where more than enough may only become less', async () => {
    const before = new EventTypes({ store, clock: new ManualClock() });
    await before.create('one', fields(700));
    await before.create('two', fields(700));
    const eventTypes = catalogue();
    await expect(eventTypes.update('one', { schemas: fields(701).schemas })).rejects.toMatchObject(full);
    await eventTypes.update('one', { schemas: fields(600).schemas });
    await eventTypes.update('one', { schemas: fields(300).schemas });
    await expect(eventTypes.create('three', fields(14))).rejects.toMatchObject(full);
    await eventTypes.update('one', { schemas: null });
    await eventTypes.create('three', fields(300));
  });
});

describe('event types whose payloads are checked', () => {
  const wrong = { a: 1 };
  const schemas = { 1: { properties: { a: { type: 'string' } } } };
  const broken = { 1: { $ref: 'https://example.com/elsewhere' } };

  it('are so from the change on, and after a start', async () => {
    const eventTypes = catalogue();
    await eventTypes.create('one', { ...fields(0), schemas });
    expect(eventTypes.checks.problems('one', wrong, 8)).toBeNull();
    await eventTypes.update('one', { validation: 'reject' });
    expect(eventTypes.checks.problems('one', wrong, 8)?.problems).toHaveLength(1);
    const restarted = catalogue();
    await restarted.list();
    expect(restarted.checks.problems('one', wrong, 8)?.validation).toBe('reject');
    const without = { code: 'validation', at: ['body', 'schemas'] };
    await expect(restarted.update('one', { schemas: null })).rejects.toMatchObject(without);
    const cleared = { ...fields(0), validation: undefined };
    await expect(restarted.put('one', cleared)).rejects.toMatchObject(without);
    await restarted.update('one', { schemas: null, validation: 'off' });
    expect(restarted.checks.problems('one', wrong, 8)).toBeNull();
    await restarted.put('one', { ...fields(0), schemas, validation: 'warn' });
    expect(restarted.checks.problems('one', wrong, 8)?.validation).toBe('warn');
    await restarted.delete('one');
    expect(restarted.checks.problems('one', wrong, 8)).toBeNull();
  });

  it('need a schema that checks', async () => {
    const eventTypes = catalogue();
    // Where it is said to be wrong is a part of what was sent.
    const refused = { code: 'validation', at: ['body', 'schemas'] };
    const checked = { ...fields(0), schemas: broken, validation: 'warn' as const };
    await expect(eventTypes.create('one', checked)).rejects.toMatchObject(refused);
    await eventTypes.create('one', { ...checked, validation: 'off' });
    await expect(eventTypes.update('one', { validation: 'warn' })).rejects.toMatchObject({
      ...refused,
      at: ['body', 'validation'],
    });
    await eventTypes.update('one', { validation: 'warn', schemas });
    await expect(eventTypes.update('one', { schemas: broken })).rejects.toMatchObject(refused);
    await expect(eventTypes.put('one', checked)).rejects.toMatchObject(refused);
  });

  it('are compiled when they come, and not once more', async () => {
    const eventTypes = catalogue();
    await eventTypes.create('one', { ...fields(0), schemas, validation: 'warn' });
    const compiled = eventTypes.checks.compiled('one');
    expect(compiled).not.toBeNull();
    await eventTypes.update('one', { description: 'changed' });
    expect(eventTypes.checks.problems('one', wrong, 8)).not.toBeNull();
    expect(eventTypes.checks.compiled('one')).toBe(compiled);
    await eventTypes.update('one', { schemas: { 1: true } });
    expect(eventTypes.checks.problems('one', wrong, 8)).toBeNull();
  });
});
