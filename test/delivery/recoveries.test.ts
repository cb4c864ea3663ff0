import { afterEach, beforeEach, expect, it } from 'vitest';
import { RECOVERIES_PER_APPLICATION, RECOVERIES_PER_ENDPOINT } from '../../src/limits.ts';
import { type Store, StoreError } from '../../src/store/store.ts';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Recoveries that cannot go on at once. */

const ENDPOINTS = '/api/v1/app/1/endpoint';
/** A store that brings nothing back, so that recoveries stay where they are. */
const stuck = (store: Store): Store => ({
  ...store,
  recoveryStep: () => Promise.reject(new StoreError('unavailable', 'Not now.')),
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
      recoveryStep: async (params) => {
        const stepped = await store.recoveryStep(params);
        steps.push(stepped);
        return stepped;
      },
    }),
  });
  await expect.poll(() => steps).toEqual(['waits']);
  expect(await state()).toBe('failed');
  await world.operate('PATCH', `${ENDPOINTS}/e`, { disabled: false });
  await expect.poll(state, { timeout: 10_000 }).toBe('succeeded');
});

it('are limited for an endpoint and for an application', { timeout: 60_000 }, async () => {
  const count = RECOVERIES_PER_APPLICATION / RECOVERIES_PER_ENDPOINT;
  for (let n = 0; n <= count; n++) await endpoint(`e${n}`);
  for (let n = 0; n < count; n++) {
    for (let each = 0; each < RECOVERIES_PER_ENDPOINT; each++) {
      expect((await recover(`e${n}`)).status).toBe(202);
    }
  }
  const refused = async (uid: string) => (await recover(uid)).json();
  expect(await refused('e0')).toMatchObject({
    code: 'limit_reached',
    detail: expect.stringContaining(`${RECOVERIES_PER_ENDPOINT} recoveries of this endpoint`),
  });
  expect(await refused(`e${count}`)).toMatchObject({
    code: 'limit_reached',
    detail: expect.stringContaining(`${RECOVERIES_PER_APPLICATION} recoveries of this application`),
  });
});

async function endpoint(uid: string): Promise<void> {
  const { status: made } = await world.operate('POST', ENDPOINTS, { url: receiver.url, uid });
  expect(made).toBe(201);
}

function recover(uid: string) {
  const since = new Date(Date.now() - 3_600_000).toISOString();
  return world.operate('POST', `${ENDPOINTS}/${uid}/recover`, { since });
}

async function state(): Promise<string> {
  return (await world.operate('GET', `${ENDPOINTS}/e/msg`)).json().data[0]?.state;
}
