import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMessage } from '../../src/http/publish/message-in.ts';
import { ValidationError } from '../../src/http/validation.ts';
import { type MessageIn, PublishError, publish } from '../../src/index.ts';
import {
  DELIVER_AHEAD_MS,
  EXPIRE_AHEAD_MS,
  ORDERING_KEY_CHARACTERS,
  PAYLOAD_KEPT_MS,
  PUBLISH_BODY_BYTES,
} from '../../src/limits.ts';
import { isId, timeOfId } from '../../src/model/id.ts';
import { systemClock } from '../../src/system/clock.ts';
import { fuzzSeed } from '../helpers/fuzz-seed.ts';
import { Scene } from './scene.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const fromNow = (ms: number) => new Date(Date.now() + ms).toISOString();

let scene: Scene;
let uid: string;
beforeAll(async () => {
  scene = await Scene.start();
  uid = (await scene.company()).uid;
});
afterAll(() => scene.end());

async function attempt(fields: object): Promise<PublishError | null> {
  const message = { application: uid, eventType: 'ticket.created', payload: '{}', ...fields } as MessageIn;
  try {
    await publish(message, { client: scene.observer });
    return null;
  } catch (error) {
    if (!(error instanceof PublishError)) throw error;
    return error;
  }
}

async function published(fields: object): Promise<Record<string, unknown>> {
  const message = { application: uid, eventType: 'ticket.created', payload: '{}', ...fields } as MessageIn;
  const { id } = await publish(message, { client: scene.observer });
  const [row] = await scene.rows('SELECT * FROM posthorn.message WHERE id = $1', [id]);
  return row as Record<string, unknown>;
}

it('is checked the same where backslashes in texts mean something', async () => {
  await scene.observer.query('SET standard_conforming_strings = off');
  const fields = { eventId: 'msgs-1', channels: ['a-b_c.d'], tags: ['t'], orderingKey: 'back\\slash' };
  expect(await published({ ...fields, payload: '{"text":"\\n"}' })).toMatchObject({
    ordering_key: 'back\\slash',
    payload: '{"text":"\\n"}',
  });
  expect(await attempt({ eventId: 'msg_1' })).toMatchObject({ field: 'eventId' });
  expect(await attempt({ channels: ['a\\b'] })).toMatchObject({ field: 'channels' });
  await scene.observer.query('RESET standard_conforming_strings');
});

describe('is refused', () => {
  it.each<[string, object, string, string | RegExp]>([
    ['no event type', { eventType: undefined }, 'validation', 'eventType must be given'],
    ['no payload', { payload: undefined }, 'validation', 'payload must be given'],
    ['no application', { application: null }, 'validation', 'application must be given'],
    ['an unknown application', { application: 'nobody' }, 'not_found', 'There is no application "nobody".'],
    ['the number of none', { application: 4711 }, 'not_found', 'There is no application "4711".'],
    [
      'a space in the event type',
      { eventType: 'ticket created' },
      'validation',
      /^eventType must be 1 to 256 of/,
    ],
    ['a pattern as event type', { eventType: 'ticket.*' }, 'validation', /^eventType must be 1 to 256 of/],
    ['a line break at its end', { eventType: 'ticket\n' }, 'validation', /^eventType must be 1 to 256 of/],
    ['a long event type', { eventType: 'x'.repeat(257) }, 'validation', /^eventType must be 1 to 256 of/],
    ['an event id like ours', { eventId: 'msg_1' }, 'validation', 'eventId must not begin with msg_'],
    ['an empty event id', { eventId: '' }, 'validation', /^eventId must be 1 to 256 of/],
    ['no channel', { channels: [] }, 'validation', 'channels must be 1 to 5 words'],
    [
      'six channels',
      { channels: ['a', 'a', 'a', 'a', 'a', 'a'] },
      'validation',
      'channels must be 1 to 5 words',
    ],
    ['a quote in a channel', { channels: ['a"\\{}'] }, 'validation', /^channels must be 1 to 256 of/],
    ['six tags', { tags: ['a', 'b', 'c', 'd', 'e', 'f'] }, 'validation', 'tags must be 0 to 5 words'],
    ['an empty tag', { tags: [''] }, 'validation', /^tags must be 1 to 256 of/],
    ['tags in tags', { tags: [['a'], ['b']] }, 'validation', 'tags must be text'],
    ['an empty ordering key', { orderingKey: '' }, 'validation', 'orderingKey must be 1 to 256 characters'],
    ['a list as payload', { payload: [] }, 'validation', 'payload must be a JSON object'],
    ['a number as payload', { payload: '1' }, 'validation', 'payload must be a JSON object'],
    ['half a payload', { payload: '{"a":' }, 'validation', /^payload must be a JSON object: /],
    ['two payloads', { payload: '{} {}' }, 'validation', /^payload must be a JSON object: /],
    ['a date', { deliverAt: '2030-01-01' }, 'validation', /^deliverAt must be a Date, or/],
    ['a word for a time', { expiresAt: 'tomorrow' }, 'validation', /^expiresAt must be a Date, or/],
    [
      'a Date that is none',
      { deliverAt: new Date(Number.NaN) },
      'validation',
      /^deliverAt must be a Date, or/,
    ],
    ['a time far away', { expiresAt: new Date(8.64e15) }, 'validation', /^expiresAt must be a Date, or/],
    [
      'half an hour',
      { payloadRetentionHours: 0.5 },
      'validation',
      'payloadRetentionHours must be a whole number',
    ],
    [
      'more than an integer',
      { payloadRetentionHours: 1e12 },
      'validation',
      'payloadRetentionHours must be a whole number',
    ],
    ['no hours', { payloadRetentionHours: 0 }, 'validation', 'payloadRetentionHours must be 1 to 2160 hours'],
    ['four days', { payloadRetentionPeriod: 4 }, 'validation', 'payloadRetentionPeriod must be 5 to 90 days'],
    [
      'hours and days',
      { payloadRetentionPeriod: 5, payloadRetentionHours: 5 },
      'validation',
      'payloadRetentionHours must not be given beside payloadRetentionPeriod',
    ],
    [
      'NUL',
      { orderingKey: 'a\0' },
      'validation',
      'orderingKey must be text that UTF-8 can carry, without NUL',
    ],
    [
      'half a surrogate pair',
      { payload: '{"a":"\ud800"}' },
      'validation',
      /^payload must be text that UTF-8 can carry/,
    ],
    [
      'a circle',
      { payload: circle() },
      'validation',
      /^payload must be an object that can be written as JSON/,
    ],
    [
      'a function',
      { payload: () => 1 },
      'validation',
      'payload must be an object, or the text of one as JSON',
    ],
    ['text for tags', { tags: 'a' }, 'validation', 'tags must be a list of words'],
  ])('%s', async (_, fields, code, message) => {
    const error = await attempt(fields);
    expect(error).toMatchObject({ name: 'PublishError', code });
    if (typeof message === 'string') expect(error?.message).toBe(message);
    else expect(error?.message).toMatch(message);
  });

  it('the application of the operational webhooks', async () => {
    const { id } = await scene.given.store.applicationOperational({ id: scene.given.id('app'), now: 1 });
    expect(await attempt({ application: id })).toMatchObject({
      code: 'conflict',
      field: 'application',
      sqlState: '55000',
    });
    expect(await attempt({ application: 0 })).toMatchObject({ code: 'not_found' });
  });

  it('what only Posthorn itself can check; what it only warns of is taken', async () => {
    for (const validation of ['off', 'warn', 'reject']) {
      await scene.rows(
        `INSERT INTO posthorn.event_type (name, validation, description, archived, created_at, updated_at)
         VALUES ($1, $1, '', 0, 1, 1)`,
        [validation],
      );
    }
    expect(await attempt({ eventType: 'off' })).toBeNull();
    expect(await attempt({ eventType: 'warn' })).toBeNull();
    expect(await attempt({ eventType: 'reject' })).toMatchObject({
      code: 'unsupported',
      field: 'eventType',
      hint: 'Publish it through the HTTP API, or let the validation of the event type warn instead of reject.',
      sqlState: '0A000',
    });
  });

  it('SQL that no library sends', async () => {
    const refused = async (more: string) => {
      const call = scene.observer.query(`SELECT posthorn.publish('${uid}', 't', '{}', ${more})`);
      return call.then(
        () => null,
        ({ code, column, message }) => `${code} ${column}: ${message}`,
      );
    };
    expect(await refused("deliver_at => 'infinity'")).toMatch(/^22023 deliver_at: /);
    expect(await refused("expires_at => '-infinity'")).toMatch(/^22023 expires_at: /);
    expect(await refused("tags => '{{a,b},{c,d}}'")).toBe('22023 tags: tags must be 0 to 5 words');
    expect(await refused('tags => ARRAY[NULL]')).toMatch(/^22023 tags: /);
    expect(await refused("channels => '{}'")).toBe('22023 channels: channels must be 1 to 5 words');
  });
});

function circle(): object {
  const one: { one?: object } = {};
  one.one = one;
  return one;
}

describe('the limits are those of src/limits.ts', () => {
  it('payload', async () => {
    const ofBytes = (bytes: number) => `{"a":"ü${'x'.repeat(bytes - 10)}"}`;
    expect(Buffer.byteLength(ofBytes(PUBLISH_BODY_BYTES))).toBe(PUBLISH_BODY_BYTES);
    expect((await published({ payload: ofBytes(PUBLISH_BODY_BYTES) })).payload).toBe(
      ofBytes(PUBLISH_BODY_BYTES),
    );
    expect(await attempt({ payload: ofBytes(PUBLISH_BODY_BYTES + 1) })).toMatchObject({
      code: 'payload_too_large',
      field: 'payload',
      message: `A payload may have at most ${PUBLISH_BODY_BYTES} bytes.`,
    });
  });

  it('ordering key', async () => {
    expect(await attempt({ orderingKey: '🦊'.repeat(ORDERING_KEY_CHARACTERS) })).toBeNull();
    expect(await attempt({ orderingKey: 'x'.repeat(ORDERING_KEY_CHARACTERS + 1) })).toMatchObject({
      field: 'orderingKey',
    });
  });

  it('deliverAt', async () => {
    expect(await attempt({ deliverAt: fromNow(DELIVER_AHEAD_MS - MINUTE_MS) })).toBeNull();
    const error = await attempt({ deliverAt: fromNow(DELIVER_AHEAD_MS + MINUTE_MS) });
    expect(error?.message).toBe(`deliverAt must be at most ${DELIVER_AHEAD_MS / DAY_MS} days from now`);
    expect((await published({ deliverAt: '2020-01-01T00:00:00.5+14:00' })).deliver_at).toBeNull();
  });

  it('expiresAt', async () => {
    expect(await attempt({ expiresAt: fromNow(EXPIRE_AHEAD_MS - MINUTE_MS) })).toBeNull();
    const error = await attempt({ expiresAt: fromNow(EXPIRE_AHEAD_MS + MINUTE_MS) });
    expect(error?.message).toBe(`expiresAt must be at most ${EXPIRE_AHEAD_MS / DAY_MS} days from now`);
    expect((await attempt({ expiresAt: fromNow(-MINUTE_MS) }))?.message).toBe(
      'expiresAt must be later than now',
    );
    const both = { deliverAt: fromNow(2 * MINUTE_MS), expiresAt: fromNow(MINUTE_MS) };
    expect((await attempt(both))?.message).toBe('expiresAt must be later than deliverAt');
  });

  it('the time that a payload is kept', async () => {
    const row = await published({ payloadRetentionHours: 36 });
    expect(Number(row.payload_until) - Number(row.created_at)).toBe(1.5 * DAY_MS);
    expect((await published({ payloadRetentionPeriod: PAYLOAD_KEPT_MS / DAY_MS })).payload_until).toBeNull();
    const early = { payloadRetentionHours: 1, deliverAt: fromNow(61 * MINUTE_MS) };
    expect((await attempt(early))?.message).toBe('deliverAt must be before the time of the payload is over');
  });
});

describe('a payload', () => {
  it.each([
    [
      'with odd spacing, numbers and order',
      '{ "b" : 1e400,\n"a":0.10, "a": -0 , "n": 12345678901234567890}\r\n',
    ],
    ['with escapes of lone surrogates and of NUL', String.raw`{"a":"\ud800 \uDFFF \u0000 \/"}`],
    ['with every plane', '{"🦊":"👩‍👩‍👧‍👦 é e\u0301 \u{10FFFF} \uFFFF \uFFFD \u2028"}'],
    ['with quotes, backslashes and dollars', String.raw`{"a":"\"'$1 $$ \\ {}"}`],
  ])('%s is kept to the byte', async (_, payload) => {
    expect((await published({ payload })).payload).toBe(payload);
  });

  it('that is an object is written as JSON', async () => {
    const payload = { at: new Date(0), half: '\ud800', none: undefined };
    expect((await published({ payload })).payload).toBe('{"at":"1970-01-01T00:00:00.000Z","half":"\\ud800"}');
  });

  it('may be json or jsonb in SQL: the one is kept to the byte', async () => {
    const kept = async (payload: string) => {
      const [row] = await scene.rows(`SELECT posthorn.publish($1, 't', ${payload}) AS id`, [uid]);
      return (await scene.rows('SELECT payload FROM posthorn.message WHERE id = $1', [row?.id]))[0]?.payload;
    };
    expect(await kept(`'{"b":1,  "a":2}'::json`)).toBe('{"b":1,  "a":2}');
    expect(await kept(`'{"b":1,  "a":2}'::jsonb`)).toBe('{"a": 2, "b": 1}');
    expect(await kept("json_build_object('a', 1)")).toBe('{"a" : 1}');
    expect(await kept(`'{"b":1,  "a":2}'`)).toBe('{"b":1,  "a":2}');
  });
});

describe('an id', () => {
  it('is one as Posthorn makes them, and they ascend', async () => {
    const before = Date.now();
    const rows = await scene.rows<{ id: string }>(
      "SELECT posthorn.publish($1, 't', '{}') AS id FROM generate_series(1, 500)",
      [uid],
    );
    const ids = rows.map(({ id }) => id);
    expect(ids.every((id) => isId(id, 'msg'))).toBe(true);
    expect(ids).toEqual([...new Set(ids)].sort());
    for (const id of [ids[0], ids.at(-1)]) {
      // Ids tell steps of 4 ms.
      expect(timeOfId(id as string, 'msg')).toBeGreaterThanOrEqual(before - 4);
      expect(timeOfId(id as string, 'msg')).toBeLessThanOrEqual(Date.now());
    }
  });

  it('is of the time that it says, in all 160 bits', async () => {
    for (const at of [1_400_000_000_000, 1_400_000_000_003, 1_795_533_063_254, 1_999_999_999_999]) {
      const [row] = await scene.rows('SELECT posthorn.message_id($1, $2) AS id', [at, 2 ** 33 + 5]);
      expect(isId(row?.id, 'msg')).toBe(true);
      expect(timeOfId(row?.id, 'msg')).toBe(at - (at % 4));
    }
  });
});

const Text = fc.oneof(
  fc.constantFrom('a', 'A-_.9', '', ' ', 'a b', 'ä', 'msg_x', 'x'.repeat(256), 'x'.repeat(257), 'a\n', '🦊'),
  fc.string({ maxLength: 3, unit: 'grapheme-ascii' }),
);
const Json = fc.oneof(
  fc.constantFrom(
    '{}',
    '[]',
    '1',
    'null',
    '"{}"',
    '{"a":1}',
    '{"a":1,}',
    '{a:1}',
    '{"a":01}',
    '{"a":1.}',
    '{"a":NaN}',
    '{"a":-0}',
  ),
  fc.constantFrom(
    '{"a":"\t"}',
    '{"a":"\\x"}',
    '{"a":"\\u12"}',
    '{"a":"\u007f"}',
    "{'a':1}",
    '{"a":tru}',
    '{"":{"":[]}}',
    '{"a":1e}',
  ),
  fc.json(),
);
const option = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
/** Far from every bound: clocks go on between two looks. */
const Time = fc.integer({ min: -40, max: 100 }).map((days) => fromNow(days * DAY_MS + 3_600_000));

it('takes what HTTP takes, and refuses what it refuses', { timeout: 60_000 }, async () => {
  const fields = fc.record({
    eventType: Text,
    payload: Json,
    channels: option(fc.array(Text, { maxLength: 6 })),
    tags: option(fc.array(Text, { maxLength: 6 })),
    orderingKey: option(Text),
    deliverAt: option(Time),
    expiresAt: option(Time),
    payloadRetentionPeriod: option(fc.integer({ min: 3, max: 92 })),
    payloadRetentionHours: option(fc.integer({ min: -1, max: 2_200 })),
  });
  const few = fields.chain((all) =>
    fc.subarray(Object.keys(all), { maxLength: 2 }).map((names) => ({
      eventType: 't',
      payload: '{}',
      ...Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name))),
    })),
  );
  await fc.assert(
    fc.asyncProperty(fc.oneof(few, fields), async (message) => {
      const error = await attempt(message);
      expect(error?.code ?? 'taken').toBe(throughHttp(message));
    }),
    { seed: fuzzSeed, numRuns: 1_000 },
  );
});

function throughHttp({ payload, ...fields }: { payload: string }): string {
  const rest = JSON.stringify(fields).slice(1);
  const text = `{"payload":${payload}${rest === '}' ? '' : ','}${rest}`;
  try {
    readMessage(text, JSON.parse(text), systemClock);
    return 'taken';
  } catch (error) {
    if (error instanceof ValidationError || error instanceof SyntaxError) return 'validation';
    throw error;
  }
}
