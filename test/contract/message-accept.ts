import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import type { NewMessage } from '../../src/model/message.ts';
import type { Publish } from '../../src/store/store.ts';
import { ALL, type ContractTest, claimDue, delivery, type Given, type GivenPublish, NOW } from './world.ts';

export function acceptContract(test: ContractTest): void {
  payloads(test);
  batches(test);
  eventIds(test);
  idempotencyKeys(test);
}

function payloads(test: ContractTest): void {
  const exotic: Record<string, string> = {
    'with odd spacing, numbers and order':
      '{ "b" : 1e400,\n"a":0.10, "a": -0 , "n": 12345678901234567890}\r\n',
    'with a NUL character and a byte order mark': '\uFEFF{"a":"x\u0000y\u0000"}\u0000',
    'with emoji and every plane': '"🦊👩‍👩‍👧‍👦 é e\u0301 \u{10FFFF} \uFFFF \uFFFD"',
    'with escapes of lone surrogates': String.raw`"\ud800 \uDFFF \u0000 \/"`,
    'that is empty': '',
  };
  for (const [what, payload] of Object.entries(exotic)) {
    test(`keeps a payload ${what} to the character`, async (given) => {
      expect(await throughTheStore(given, payload)).toEqual([payload, payload]);
    });
  }

  test('keeps a payload of a megabyte to the character', async (given) => {
    const payload = JSON.stringify(Array.from({ length: 90_000 }, (_, index) => `${index} ü🦊`));
    expect(payload.length).toBeGreaterThan(1_000_000);
    const [found, claimed] = await throughTheStore(given, payload);
    expect(found === payload && claimed === payload).toBe(true);
  });

  test('keeps all that a message has', async (given) => {
    const application = await given.application();
    const message = given.message({
      eventId: 'order-1',
      eventType: 'ticket.closed',
      channels: ['a', 'ü'],
      tags: [],
      deliverAt: NOW + 9,
      expiresAt: NOW + 99,
      orderingKey: 'order ü',
      payloadUntil: NOW + 99,
      createdAt: NOW - 9,
    });
    const [result] = await accept(given, [given.publish(application.key, message)]);
    const { deliveries: _, payloadUntil: __, ...fields } = message;
    expect(await given.store.messageFind({ applicationKey: application.key, ref: message.id })).toEqual({
      ...fields,
      applicationKey: application.key,
      matched: false,
      key: result?.kind === 'accepted' && result.messageKeys[0],
    });
  });
}

function batches(test: ContractTest): void {
  test('answers each publish in its place, with keys that ascend', async (given) => {
    const application = await given.application();
    const some = (count: number) =>
      given.publish(application.key, ...Array.from({ length: count }, () => given.message()));
    const first = await accept(given, [some(1), some(0), some(150)]);
    await given.reopen();
    const second = await accept(given, [some(3)]);
    const kinds = [...first, ...second].map((each) => each.kind === 'accepted' && each.messageKeys.length);
    expect(kinds).toEqual([1, 0, 150, 3]);
    const keys = [...first, ...second].flatMap((each) => (each.kind === 'accepted' ? each.messageKeys : []));
    expect(keys).toEqual([...new Set(keys)].sort((a, b) => a - b));
  });

  test('takes no publish as well', async (given) => {
    expect(await accept(given, [])).toEqual([]);
  });

  test('makes deliveries pending, leased or held', async (given) => {
    const { application, keys } = await given.company(3);
    const [pending, sending, held] = keys as unknown as [number, number, number];
    const deliveries = [delivery(pending), delivery(sending, 'sending'), delivery(held, 'held')];
    const [result] = await accept(given, [given.publish(application.key, given.message({ deliveries }))]);
    const messageKey = result?.kind === 'accepted' ? (result.messageKeys[0] as number) : 0;
    const listed = await given.store.deliveryList({ ...given.ref(messageKey), ...ALL });
    const open = { messageKey, attemptCount: 0 };
    expect(listed).toMatchObject([
      { ...open, endpointKey: pending, state: 'pending', nextAttemptAt: NOW },
      { ...open, endpointKey: sending, state: 'sending', nextAttemptAt: NOW },
      { ...open, endpointKey: held, state: 'held', nextAttemptAt: null, reason: 'endpoint_disabled' },
    ]);
    expect(await given.store.deliveryCountOpen({})).toEqual({ pending: 1, sending: 1, held: 1 });
  });

  test('makes the deliveries of a message with a time due then, but for held ones', async (given) => {
    const { application, keys } = await given.company(2);
    const [pending, held] = keys as unknown as [number, number];
    const deliveries = [delivery(pending), delivery(held, 'held')];
    const later = given.message({ deliveries, deliverAt: NOW + 60_000 });
    await accept(given, [given.publish(application.key, later)]);
    const params = { endpointKey: pending, limit: 9, fence: given.fence() };
    const early = await claimDue(given.store, { ...params, dueBy: NOW + 59_999 });
    expect(early).toEqual({ claimed: [], nextDueAt: NOW + 60_000 });
    const { claimed } = await claimDue(given.store, { ...params, dueBy: NOW + 60_000 });
    expect(claimed).toMatchObject([{ messageId: later.id, nextAttemptAt: NOW + 60_000 }]);
    expect(await given.store.deliveryCountOpen({ endpointKey: held })).toMatchObject({ held: 1, pending: 0 });
  });

  test('leases under the fence it is given', async (given) => {
    const { application, keys } = await given.company();
    const fence = given.fence();
    const messageKey = await given.accepted(application.key, keys, { state: 'sending', fence });
    const lease = given.lease(messageKey, keys[0], fence);
    const done = { state: 'succeeded' } as const;
    const results = [given.result({ ...lease, fence: fence + 1 }, done), given.result(lease, done)];
    expect(await given.record({ results, now: NOW })).toEqual([false, true]);
  });

  test('writes nothing at all when it rejects', async (given) => {
    const { application, keys } = await given.company();
    const deliveries = [delivery(keys[0])];
    const good = given.message({ deliveries });
    const twice = delivery(keys[0]);
    const broken = given.message({ deliveries: [twice, twice] });
    const publishes = [{ ...given.publish(application.key, good), idempotency: idempotency('k', 'b') }];
    const batch = [...publishes, given.publish(application.key, broken)];
    await expect(accept(given, batch)).rejects.toThrow();
    expect(await listed(given, application.key)).toEqual([]);
    expect(await given.store.deliveryCountOpen({})).toEqual({ pending: 0, sending: 0, held: 0 });
    expect(await accept(given, publishes)).toMatchObject([{ kind: 'accepted' }]);
    expect(await listed(given, application.key)).toEqual([good.id]);
  });
}

function eventIds(test: ContractTest): void {
  test('refuses an event id that the application has, and takes the others', async (given) => {
    const application = await given.application();
    const event = (eventId: string | null) => given.message({ eventId });
    const publish = (...messages: NewMessage[]) => given.publish(application.key, ...messages);
    await accept(given, [publish(event('a'))]);
    await given.reopen();
    const [before, after] = [event(null), event('c')];
    const results = await accept(given, [publish(before), publish(event('b'), event('a')), publish(after)]);
    expect(results[1]).toEqual({ kind: 'event_id_taken', eventId: 'a' });
    expect(results.map(({ kind }) => kind)).toEqual(['accepted', 'event_id_taken', 'accepted']);
    expect((await listed(given, application.key)).slice(0, 2)).toEqual([after.id, before.id]);
    expect(await accept(given, [publish(event('b'))])).toMatchObject([{ kind: 'accepted' }]);
  });

  test('refuses an event id that comes twice in one publish, whole', async (given) => {
    const application = await given.application();
    const twice = [
      given.message({ eventId: 'a' }),
      given.message({ eventId: 'b' }),
      given.message({ eventId: 'a' }),
    ];
    const results = await accept(given, [
      given.publish(application.key, ...twice),
      given.publish(application.key, given.message({ eventId: 'a' })),
    ]);
    expect(results).toMatchObject([{ kind: 'event_id_taken', eventId: 'a' }, { kind: 'accepted' }]);
    expect(await listed(given, application.key)).toHaveLength(1);
  });

  test('gives an event id to the first of two publishes of a batch', async (given) => {
    const application = await given.application();
    const first = given.message({ eventId: 'a' });
    const results = await accept(given, [
      given.publish(application.key, first),
      given.publish(application.key, given.message({ eventId: 'a' })),
    ]);
    expect(results).toMatchObject([{ kind: 'accepted' }, { kind: 'event_id_taken', eventId: 'a' }]);
    expect(await listed(given, application.key)).toEqual([first.id]);
  });

  test('lets each application have the same event ids', async (given) => {
    const one = await given.application();
    const other = await given.application();
    const publishes = [one, other].map(({ key }) => given.publish(key, given.message({ eventId: '1 a' })));
    expect(await accept(given, publishes)).toMatchObject([{ kind: 'accepted' }, { kind: 'accepted' }]);
    // Keys and event ids that run together to the same text are still different.
    const digits = given.publish(one.key, given.message({ eventId: 'a' }));
    expect(await accept(given, [digits])).toMatchObject([{ kind: 'accepted' }]);
  });
}

function idempotencyKeys(test: ContractTest): void {
  test('replays the ids for the same key and body, now and after reopening', async (given) => {
    const { application, keys } = await given.company();
    const publish = keyed(given, application.key, 'key', 'body', keys[0]);
    const messageIds = publish.messages.map(({ id }) => id);
    const again = () => keyed(given, application.key, 'key', 'body', keys[0]);
    expect(await accept(given, [publish])).toMatchObject([{ kind: 'accepted' }]);
    expect(await accept(given, [again()])).toEqual([{ kind: 'replayed', messageIds }]);
    await given.reopen();
    expect(await accept(given, [again()])).toEqual([{ kind: 'replayed', messageIds }]);
    expect(await given.store.deliveryCountOpen({})).toEqual({ pending: 2, sending: 0, held: 0 });
  });

  test('refuses the same key with another body, without hurting the others', async (given) => {
    const application = await given.application();
    await accept(given, [keyed(given, application.key, 'key', 'body')]);
    const results = await accept(given, [
      keyed(given, application.key, 'key', 'other body'),
      keyed(given, application.key, 'other key', 'body'),
    ]);
    expect(results).toMatchObject([{ kind: 'idempotency_mismatch' }, { kind: 'accepted' }]);
    expect(await listed(given, application.key)).toHaveLength(4);
  });

  test('knows a key that came earlier in the same batch', async (given) => {
    const application = await given.application();
    const first = keyed(given, application.key, 'key', 'body');
    const results = await accept(given, [
      first,
      keyed(given, application.key, 'key', 'body'),
      keyed(given, application.key, 'key', 'other body'),
    ]);
    const messageIds = first.messages.map(({ id }) => id);
    expect(results.slice(1)).toEqual([{ kind: 'replayed', messageIds }, { kind: 'idempotency_mismatch' }]);
  });

  test('finds what a publish under a key gets that comes again', async (given) => {
    const application = await given.application();
    const { store } = given;
    expect(await store.idempotencyFind(idempotency('key', 'body'))).toBeNull();
    const first = keyed(given, application.key, 'key', 'body');
    await accept(given, [first]);
    const messageIds = first.messages.map(({ id }) => id);
    expect(await store.idempotencyFind(idempotency('key', 'body'))).toEqual({ kind: 'replayed', messageIds });
    expect(await store.idempotencyFind(idempotency('key', 'other'))).toEqual({
      kind: 'idempotency_mismatch',
    });
    expect(await store.idempotencyFind(idempotency('other', 'body'))).toBeNull();
  });

  test('replays rather than complain about the event ids of the same publish', async (given) => {
    const application = await given.application();
    const publish = (): GivenPublish => ({
      ...given.publish(application.key, given.message({ eventId: 'a' })),
      idempotency: idempotency('key', 'body'),
    });
    const results = await accept(given, [publish(), publish()]);
    expect(results.map(({ kind }) => kind)).toEqual(['accepted', 'replayed']);
  });

  test('does not keep the key of a publish that was refused', async (given) => {
    const application = await given.application();
    await accept(given, [given.publish(application.key, given.message({ eventId: 'a' }))]);
    const with_ = (eventId: string): GivenPublish => ({
      ...given.publish(application.key, given.message({ eventId })),
      idempotency: idempotency('key', 'body'),
    });
    expect(await accept(given, [with_('a')])).toMatchObject([{ kind: 'event_id_taken' }]);
    expect(await accept(given, [with_('b')])).toMatchObject([{ kind: 'accepted' }]);
  });

  test('forgets keys older than a time, some at a time', async (given) => {
    const application = await given.application();
    const at = (now: number, key: string) =>
      given.accept({ publishes: [keyed(given, application.key, key, 'b')], fence: 1, now });
    for (const [index, key] of ['a', 'b', 'c', 'd'].entries()) await at(NOW + index, key);
    const purge = (limit: number) => given.store.idempotencyPurge({ before: NOW + 3, limit });
    expect([await purge(2), await purge(2), await purge(2)]).toEqual([2, 1, 0]);
    expect(await at(NOW, 'd')).toMatchObject([{ kind: 'replayed' }]);
    expect(await at(NOW, 'a')).toMatchObject([{ kind: 'accepted' }]);
  });
}

function accept(given: Given, publishes: readonly GivenPublish[]) {
  return given.accept({ publishes, fence: given.fence(), now: NOW });
}

/** Two messages under an idempotency key. */
function keyed(
  given: Given,
  applicationKey: number,
  key: string,
  body: string,
  endpointKey?: number,
): GivenPublish {
  const deliveries = endpointKey === undefined ? [] : [delivery(endpointKey)];
  const messages = [given.message({ deliveries }), given.message({ deliveries })];
  return { ...given.publish(applicationKey, ...messages), idempotency: idempotency(key, body) };
}

function idempotency(key: string, body: string): NonNullable<Publish['idempotency']> {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return { keyHash: hash(key), bodyHash: hash(body) };
}

/** A payload as it is found and as it is claimed. */
async function throughTheStore(given: Given, payload: string): Promise<unknown[]> {
  const { application, keys } = await given.company();
  const message = given.message();
  await given.accepted(application.key, keys, { message: { id: message.id, payload } });
  const found = await given.store.messageFind({ applicationKey: application.key, ref: message.id });
  const params = { endpointKey: keys[0], dueBy: NOW, limit: 1, fence: given.fence() };
  const { claimed } = await claimDue(given.store, params);
  return [found?.payload, claimed[0]?.payload];
}

async function listed(given: Given, applicationKey: number): Promise<string[]> {
  const page = { limit: 100, before: null, after: null, withPayload: false };
  return (await given.store.messageList({ applicationKey, ...page })).rows.map(({ id }) => id);
}
