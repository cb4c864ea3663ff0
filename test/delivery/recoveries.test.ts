import { afterEach, beforeEach, expect, it } from 'vitest';
import { TASKS_PER_APPLICATION, TASKS_PER_ENDPOINT } from '../../src/limits.ts';
import { type Store, StoreError } from '../../src/store/store.ts';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Recoveries that cannot go on at once, and those that are paced. */

const ENDPOINTS = '/api/v1/app/1/endpoint';
/** A store that brings nothing back, so that recoveries stay where they are. */
const stuck = (store: Store): Store => ({
  ...store,
  taskStep: () => Promise.reject(new StoreError('unavailable', 'Not now.')),
});

let world: World;
let receiver: Receiver;
let status = 200;

beforeEach(async () => {
  status = 200;
  receiver = await startReceiver((response) => response.writeHead(status).end());
  world = await startWorld({ retryScheduleMs: [20], store: stuck });
});
afterEach(async () => {
  await world.close();
  await receiver.close();
});

it('wait while the endpoint is disabled, over a restart, and go on when it is enabled', async () => {
  await endpoint('e');
  status = 500;
  const message = { eventType: 'a', eventId: 'm', payload: {} };
  await world.operate('POST', '/api/v1/app/1/msg', message);
  await expect.poll(state, { timeout: 10_000 }).toBe('failed');
  status = 200;
  expect((await recover('e')).status).toBe(202);
  await world.operate('PATCH', `${ENDPOINTS}/e`, { disabled: true });
  const { folder } = world;
  await world.close({ keepFolder: true });
  const steps: unknown[] = [];
  world = await startWorld({
    folder,
    store: (store) => ({
      ...store,
      taskStep: async (params) => {
        const stepped = await store.taskStep(params);
        steps.push(stepped);
        return stepped;
      },
    }),
  });
  await expect.poll(() => steps).toEqual([{ waits: 'endpoint_disabled' }]);
  expect(await state()).toBe('failed');
  await world.operate('PATCH', `${ENDPOINTS}/e`, { disabled: false });
  await expect.poll(state, { timeout: 10_000 }).toBe('succeeded');
});

it('are limited for an endpoint and for an application', { timeout: 60_000 }, async () => {
  const count = TASKS_PER_APPLICATION / TASKS_PER_ENDPOINT;
  for (let n = 0; n <= count; n++) await endpoint(`e${n}`);
  for (let n = 0; n < count; n++) {
    for (let each = 0; each < TASKS_PER_ENDPOINT; each++) {
      expect((await recover(`e${n}`)).status).toBe(202);
    }
  }
  const refused = async (uid: string) => (await recover(uid)).json();
  expect(await refused('e0')).toMatchObject({
    code: 'limit_reached',
    detail: expect.stringContaining(`${TASKS_PER_ENDPOINT} tasks of this endpoint`),
  });
  expect(await refused(`e${count}`)).toMatchObject({
    code: 'limit_reached',
    detail: expect.stringContaining(`${TASKS_PER_APPLICATION} tasks of this application`),
  });
});

it('let go what their rate allows, and end where they are cancelled', async () => {
  const { folder } = world;
  await world.close({ keepFolder: true });
  world = await startWorld({ folder, retryScheduleMs: [20] });
  // At once, and fewer than open the breaker.
  await endpoint('e', { finalStatuses: [500] });
  status = 500;
  for (let n = 0; n < 9; n++) {
    const message = { eventType: 'a', eventId: `m${n}`, payload: {} };
    expect((await world.operate('POST', '/api/v1/app/1/msg', message)).status).toBe(202);
  }
  const ended = async () => (await world.operate('GET', `${ENDPOINTS}/e/msg`)).json().data;
  const inState = async (wanted: string) =>
    (await ended()).filter((each: { state: string }) => each.state === wanted).length;
  await expect.poll(() => inState('failed'), { timeout: 10_000 }).toBe(9);
  status = 200;
  const began = performance.now();
  const { id } = (await recover('e', { rate: 3 })).json();
  await expect.poll(() => inState('succeeded'), { timeout: 10_000 }).toBeGreaterThan(3);
  // The first three are spread over the first second.
  expect(performance.now() - began).toBeGreaterThan(950);
  const { status: answered } = await world.operate('POST', `/api/v1/app/1/task/${id}/cancel`);
  expect(answered).toBe(200);
  await expect.poll(() => inState('pending'), { timeout: 10_000 }).toBe(0);
  expect(await inState('failed')).toBeGreaterThan(0);
  const task = (await world.operate('GET', `/api/v1/app/1/task/${id}`)).json();
  expect(task).toMatchObject({ status: 'cancelled', task: 'endpoint.recover', data: { rate: 3 } });
  await expect.poll(() => inState('succeeded'), { timeout: 10_000 }).toBe(task.data.affected);
});

async function endpoint(uid: string, more: object = {}): Promise<void> {
  const { status: made } = await world.operate('POST', ENDPOINTS, { url: receiver.url, uid, ...more });
  expect(made).toBe(201);
}

function recover(uid: string, more: object = {}) {
  const since = new Date(Date.now() - 3_600_000).toISOString();
  return world.operate('POST', `${ENDPOINTS}/${uid}/recover`, { since, ...more });
}

async function state(): Promise<string> {
  return (await world.operate('GET', `${ENDPOINTS}/e/msg`)).json().data[0]?.state;
}
