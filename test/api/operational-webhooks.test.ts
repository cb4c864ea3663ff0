import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { announcementTypes } from '../../src/model/announcement.ts';
import { startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Endpoints of operators, and what the document says of what they get. That it is sent is in test/control. */

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const PATH = '/api/v1/operational-webhook/endpoint';
const url = 'http://127.0.0.1:1/operations';
const call = async (status: number, method: string, path: string, body?: unknown) => {
  const answer = await world.operate(method, path, body);
  expect([answer.status, answer.text]).toEqual([status, answer.text]);
  return answer.text === '' ? null : answer.json();
};

describe('an endpoint of operators', () => {
  it('has what others have, but for its id in the Web Hooks API, and the id of its application', async () => {
    const made = await call(201, 'POST', PATH, { url, uid: 'all', headers: { 'x-a': 'b' } });
    const other = await call(201, 'POST', '/api/v1/app/1/endpoint', { url });
    const { webHookId: _, ...usual } = other;
    expect(Object.keys(made).sort()).toEqual([...Object.keys(usual), 'applicationId'].sort());
    expect(made).toMatchObject({ maxInFlight: 32, ordering: 'none', paused: false, eventTypes: null });
    expect(await call(200, 'GET', `${PATH}/all`)).toEqual(made);
    expect((await call(200, 'GET', `${PATH}/all/headers`)).headers).toEqual({ 'x-a': 'b' });
    await call(204, 'PATCH', `${PATH}/all/headers`, { headers: { 'x-b': 'c' } });
    expect((await call(200, 'GET', `${PATH}/all/headers`)).headers).toEqual({ 'x-a': 'b', 'x-b': 'c' });
  });

  it('takes back what GET answers, and keeps what PUT leaves out', async () => {
    const fields = {
      paused: true,
      maxInFlight: 2,
      retrySchedule: { preset: 'fast' },
      eventTypes: ['endpoint.*'],
    };
    const made = await call(201, 'POST', PATH, { url, ...fields });
    const back = await call(200, 'PUT', `${PATH}/${made.id}`, made);
    expect(back).toEqual({ ...made, updatedAt: expect.any(String) });
    expect(await call(200, 'PUT', `${PATH}/${made.id}`, { url })).toEqual({
      ...made,
      eventTypes: null,
      filterTypes: null,
      updatedAt: expect.any(String),
    });
    expect(await call(200, 'PATCH', `${PATH}/${made.id}`, { eventTypes: ['message.*'] })).toMatchObject({
      eventTypes: ['message.*'],
      paused: true,
    });
  });

  it.each([
    [{ eventTypes: ['ticket.created'] }, ['body', 'eventTypes', 0]],
    [{ filterTypes: ['endpoint.created', 'endpoint.crated'] }, ['body', 'filterTypes', 1]],
    [{ eventTypes: [] }, ['body', 'eventTypes']],
    [{ channels: ['a'] }, ['body', 'channels']],
    [{ url: 'ftp://a.b' }, ['body', 'url']],
    [{ secret: 'short' }, ['body', 'key', '__all__']],
    [{ uid: 'ep_x' }, ['body', 'uid', '__all__']],
  ])('is refused with 422: %j', async (fields, loc) => {
    const answer = await world.operate('POST', PATH, { url, ...fields });
    expect([answer.status, answer.json().detail[0].loc]).toEqual([422, loc]);
  });

  it('is made and changed on its own path only, and its application takes no messages and no keys', async () => {
    const { applicationId } = await call(201, 'POST', PATH, { url, uid: 'ours' });
    const app = `/api/v1/app/${applicationId}`;
    const message = { eventType: 'endpoint.created', payload: {} };
    for (const [method, path, body, says] of [
      ['POST', `${app}/msg`, message, 'publish into'],
      ['POST', `${app}/msg/batch`, { messages: [message] }, 'publish into'],
      ['POST', `${app}/endpoint`, { url }, '/api/v1/operational-webhook/endpoint'],
      ['PUT', `${app}/endpoint/another`, { url, uid: 'another' }, '/api/v1/operational-webhook/endpoint'],
      ['PUT', `${app}/endpoint/ours`, { url, channels: ['a'] }, '/api/v1/operational-webhook/endpoint'],
      ['PATCH', `${app}/endpoint/ours`, { channels: ['a'] }, '/api/v1/operational-webhook/endpoint'],
      ['POST', `/api/v1/auth/app-portal-access/${applicationId}`, {}, 'no keys'],
      ['POST', `/api/v1/auth/dashboard-access/${applicationId}`, undefined, 'no keys'],
      ['POST', '/api/v1/key', { name: 'a', application: applicationId }, 'no keys'],
    ] as const) {
      const { code, detail } = await call(409, method, path, body);
      expect([path, code, detail]).toEqual([path, 'conflict', expect.stringContaining(says)]);
    }
    expect((await call(200, 'GET', `${app}/endpoint/ours`)).uid).toBe('ours');
    const { data } = await call(200, 'GET', `${app}/msg`);
    for (const { eventId } of data) expect(eventId).toMatch(/^announcement-/);
  });

  it('is found among those of operators only, and those of others are not there', async () => {
    const made = await call(201, 'POST', PATH, { url, uid: 'mine' });
    const other = await call(201, 'POST', '/api/v1/app/1/endpoint', { url, uid: 'theirs' });
    await call(404, 'GET', '/api/v1/app/1/endpoint/mine');
    await call(404, 'GET', `${PATH}/theirs`);
    await call(404, 'GET', `${PATH}/${other.id}`);
    const [, taken] = [
      await call(201, 'POST', PATH, { url }),
      await call(409, 'POST', PATH, { url, uid: 'mine' }),
    ];
    expect(taken.code).toBe('conflict');
    expect(await call(200, 'GET', `/api/v1/app/${made.applicationId}/endpoint/mine`)).toMatchObject({
      id: made.id,
    });
    await call(404, 'GET', '/api/v1/app/0');
  });

  it('is made once for one idempotency key', async () => {
    const headers = { 'idempotency-key': 'operational-once' };
    const first = await world.operate('POST', PATH, { url }, headers);
    const again = await world.operate('POST', PATH, { url }, headers);
    expect([again.status, again.text]).toEqual([201, first.text]);
  });
});

describe('`webhooks` of the document', () => {
  it('has all that operators are told, with examples that fit', async () => {
    const { webhooks, components } = (await world.call('GET', '/openapi.json')).json();
    expect(Object.keys(webhooks)).toEqual([...announcementTypes]);
    for (const type of announcementTypes) {
      const [example] = components.schemas[schemaName(webhooks, type)].examples;
      expect(example.type).toBe(type);
      expect(problems({ webhooks, components }, type, example)).toEqual([]);
      expect(problems({ webhooks, components }, type, { type, data: {} })).not.toEqual([]);
    }
  });

  it('has what is sent', async () => {
    const document = (await world.call('GET', '/openapi.json')).json();
    const operators = await startReceiver();
    const told = await call(201, 'POST', PATH, { url: operators.url });
    const failing = await startReceiver((response, _received, count) => {
      response.statusCode = count < 4 ? 500 : 200;
      response.end();
    });
    const application = await call(201, 'POST', '/api/v1/app', { name: 'Told', uid: 'told' });
    const path = `/api/v1/app/${application.id}`;
    const endpoint = await call(201, 'POST', `${path}/endpoint`, { url: failing.url });
    const message = await call(202, 'POST', `${path}/msg`, { eventType: 'a', eventId: 'e', payload: {} });
    await failing.has(3);
    await operators.has(2);
    await expect
      .poll(async () => (await call(200, 'GET', `${path}/attempt/msg/${message.id}`)).data.length)
      .toBe(3);
    await call(202, 'POST', `${path}/msg/${message.id}/endpoint/${endpoint.id}/resend`);
    await operators.has(3);
    await call(200, 'PATCH', `${path}/endpoint/${endpoint.id}`, { disabled: true });
    await call(200, 'PATCH', `${path}/endpoint/${endpoint.id}`, { disabled: false });
    await call(204, 'DELETE', `${path}/endpoint/${endpoint.id}`);
    await operators.has(8);
    const bodies = operators.received.map(({ body }) => JSON.parse(body));
    expect(bodies.map(({ type }) => type).sort()).toEqual([
      'endpoint.created',
      'endpoint.deleted',
      'endpoint.disabled',
      'endpoint.enabled',
      'endpoint.updated',
      'endpoint.updated',
      'message.attempt.exhausted',
      'message.attempt.recovered',
    ]);
    for (const body of bodies) expect(problems(document, body.type, body)).toEqual([]);
    await call(204, 'DELETE', `${PATH}/${told.id}`);
    await Promise.all([operators.close(), failing.close()]);
  });
});

// biome-ignore lint/suspicious/noExplicitAny: the document as it came.
type Json = any;

function schemaName(webhooks: Json, type: string): string {
  const { $ref } = webhooks[type].post.requestBody.content['application/json'].schema;
  return $ref.split('/').at(-1);
}

/** Fields more than the document names count, too. */
function problems({ webhooks, components }: Json, type: string, body: unknown): unknown[] {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  const text = JSON.stringify(components).replaceAll(
    '"type":"object","properties"',
    '"additionalProperties":false,"type":"object","properties"',
  );
  const check = ajv.compile({
    $ref: `#/components/schemas/${schemaName(webhooks, type)}`,
    components: JSON.parse(text),
  });
  check(body);
  return check.errors ?? [];
}
