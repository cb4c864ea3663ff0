import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fanOut } from '../../src/fanout/fan-out.ts';
import { publish } from '../../src/index.ts';
import { DELIVERIES_PER_PUBLISH, ENDPOINTS_PER_APPLICATION } from '../../src/limits.ts';
import type { Endpoint } from '../../src/model/endpoint.ts';
import { fuzzSeed } from '../helpers/fuzz-seed.ts';
import { Scene } from './scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start();
});
afterAll(() => scene.end());

const TYPES = [
  'ticket.created',
  'ticket.closed',
  'ticket',
  'ticket.',
  '.a',
  'a.b.c',
  'a.bb',
  'user-x_1',
  'A.b',
];
const PATTERNS = [
  ...TYPES.filter((name) => name !== 'ticket.'),
  'ticket.*',
  'a.*',
  'a.b.*',
  'A.*',
  'a.b.c.*',
  'user-x_1.*',
];
const CHANNELS = ['x', 'y', 'Z', 'x.1'];
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: null });

const endpoints = fc.array(
  fc.record({
    standing: fc.constantFrom('open', 'open', 'open', 'disabled', 'paused', 'both', 'deleted'),
    eventTypes: maybe(fc.uniqueArray(fc.constantFrom(...PATTERNS), { minLength: 1 })),
    channels: maybe(fc.uniqueArray(fc.constantFrom(...CHANNELS), { minLength: 1 })),
    ordering: fc.constantFrom('none', 'endpoint', 'key' as const),
  }),
  { maxLength: 6 },
);
const messages = fc.array(
  fc.record({
    eventType: fc.constantFrom(...TYPES),
    channels: maybe(fc.array(fc.constantFrom(...CHANNELS), { minLength: 1, maxLength: 5 })),
    tags: maybe(fc.array(fc.constantFrom('t', 'u'), { maxLength: 5 })),
    orderingKey: maybe(fc.constantFrom('k', 'ü', ' ')),
    later: fc.boolean(),
    expires: fc.boolean(),
  }),
  { minLength: 1, maxLength: 8 },
);
type EndpointSpec = typeof endpoints extends fc.Arbitrary<(infer Each)[]> ? Each : never;
type MessageSpec = typeof messages extends fc.Arbitrary<(infer Each)[]> ? Each : never;

const LATER = Date.now() + 3_600_000;

async function company(specs: readonly EndpointSpec[]) {
  const { application, uid } = await scene.company();
  const live: Endpoint[] = [];
  for (const { standing, ...fields } of specs) {
    const endpoint = await scene.given.endpoint(application.key, {
      ...fields,
      ordering: fields.ordering as Endpoint['ordering'],
      disabled: standing === 'disabled' || standing === 'both',
      pausedAt: standing === 'paused' || standing === 'both' ? 1 : null,
    });
    const own = { applicationKey: application.key, endpointKey: endpoint.key };
    if (standing === 'deleted') await scene.given.store.endpointDelete({ ...own, now: 1 });
    else live.push(endpoint);
  }
  return { application, uid, live };
}

/** Endpoints by their places: those of two companies have different keys. */
async function made(application: Parameters<Scene['deliveries']>[0], live: readonly Endpoint[]) {
  const place = (endpointKey: number) => live.findIndex(({ key }) => key === endpointKey);
  const rows = await scene.deliveries(application);
  const columns = await scene.rows(
    `SELECT event_type, channels, tags, ordering_key, deliver_at::float, expires_at::float, payload_until, payload
     FROM posthorn.message WHERE application_key = $1 ORDER BY message_key`,
    [application.key],
  );
  const expiries = await scene.rows(
    'SELECT expires_at::float FROM posthorn.expiry WHERE application_key = $1 ORDER BY message_key',
    [application.key],
  );
  return {
    deliveries: rows.map((of) => of.map((row) => ({ ...row, endpointKey: place(row.endpointKey) }))),
    columns,
    expiries,
  };
}

async function throughHttp(specs: readonly EndpointSpec[], wanted: readonly MessageSpec[]) {
  const { application, live } = await company(specs);
  const table = live.map((endpoint) => ({ endpoint }));
  for (const { later, expires, ...fields } of wanted) {
    const distinct = (words: readonly string[] | null) => words && [...new Set(words)];
    const message = {
      ...fields,
      channels: distinct(fields.channels),
      tags: distinct(fields.tags),
      deliverAt: later ? LATER : null,
      expiresAt: expires ? LATER + 1 : null,
    };
    const deliveries = fanOut(message, table, null, () => false);
    const publishes = [scene.given.publish(application.key, scene.given.message({ ...message, deliveries }))];
    await scene.given.accept({ publishes, fence: scene.given.fence(), now: Date.now() });
  }
  return made(application, live);
}

/** @param perTransaction messages that are published in one transaction. */
async function inTransactions(
  specs: readonly EndpointSpec[],
  wanted: readonly MessageSpec[],
  perTransaction: number,
) {
  const { application, uid, live } = await company(specs);
  const client = scene.observer;
  for (let from = 0; from < wanted.length; from += perTransaction) {
    await client.query('BEGIN');
    for (const { later, expires, ...fields } of wanted.slice(from, from + perTransaction)) {
      const deliverAt = later ? new Date(LATER) : null;
      const expiresAt = expires ? new Date(LATER + 1) : null;
      await publish({ application: uid, payload: '{}', ...fields, deliverAt, expiresAt }, { client });
    }
    await client.query('COMMIT');
  }
  return made(application, live);
}

it('makes the messages and deliveries that a publish through HTTP makes', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      endpoints,
      messages,
      fc.integer({ min: 1, max: 3 }),
      async (specs, wanted, perTransaction) => {
        const expected = await throughHttp(specs, wanted);
        expect(await inTransactions(specs, wanted, perTransaction)).toEqual(expected);
      },
    ),
    { seed: fuzzSeed, numRuns: 60 },
  );
});

it('needs no limit of deliveries: one message cannot lead to more than a publish may', () => {
  expect(ENDPOINTS_PER_APPLICATION).toBeLessThanOrEqual(DELIVERIES_PER_PUBLISH);
});
