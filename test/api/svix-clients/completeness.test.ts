import { readdirSync, readFileSync } from 'node:fs';
import { Svix as FirstSvix } from 'svix';
import { Svix as SecondSvix } from 'svix2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type World } from '../../helpers/world.ts';

type Call = (...parameters: unknown[]) => Promise<unknown>;

/** What only the hosted service has: there is no such path in the protocol of the open-source server. */
const CLOUD_ONLY = new Set([
  'authentication.expireAll',
  'authentication.getStreamPollerToken',
  'authentication.rotateStreamPollerToken',
  'authentication.streamExpireAll',
  'authentication.streamLogout',
  'authentication.streamPortalAccess',
  'endpoint.patchTransformation',
  'endpoint.transformation.get',
  'endpoint.transformation.patch',
  'endpoint.transformationGet',
  'endpoint.transformationPartialUpdate',
  'eventType.importOpenapi',
  'message.bulkExpungeContent',
  'message.expungeAllContents',
  'message.poller.consumerPoll',
  'message.poller.consumerSeek',
  'message.poller.poll',
  'message.precheck',
]);

const CLOUD_ONLY_RESOURCES = [
  ...['autoconfigSubscription', 'connector', 'destination', 'environment', 'ingest'],
  ...['integration', 'statistics', 'streaming'],
];

/** Every operation that a client has, as `resource.method`, with the function that calls it. */
function operationsOf(owner: object, path = ''): [string, Call][] {
  return membersOf(owner).flatMap(([name, member]): [string, Call][] => {
    if (typeof member === 'function') return [[path + name, (member as Call).bind(owner)]];
    return operationsOf(member, `${path}${name}.`);
  });
}

/** Methods as functions, and getters as the nested resources that they return. */
function membersOf(owner: object): [string, object][] {
  return Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(owner)))
    .filter(([name]) => name !== 'constructor')
    .map(([name, { get, value }]) => [name, get ? get.call(owner) : value]);
}

/**
 * The operations that the tests of this folder call, by their text: `client.message.list(`, and of resources in others
 * `client.operationalWebhook.endpoint.list(`.
 */
function calledHere(): Set<string> {
  const folder = new URL('.', import.meta.url);
  const own = import.meta.url.slice(folder.href.length);
  const texts = readdirSync(folder)
    .filter((file) => file !== own)
    .map((file) => readFileSync(new URL(file, folder), 'utf8'));
  const text = texts.join('\n');
  const patterns = [/\.(\w+\.\w+)\(/g, /\.(\w+\.\w+\.\w+)\(/g];
  return new Set(patterns.flatMap((each) => [...text.matchAll(each)].map(([, name]) => name as string)));
}

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

describe.each([
  ['svix 1.99.1', FirstSvix],
  ['svix 2.5.0', SecondSvix],
])('%s', (_name, Svix) => {
  const connect = () => operationsOf(new Svix(world.operatorKey, { serverUrl: world.url }));
  const isCloudOnly = (name: string) =>
    CLOUD_ONLY.has(name) || CLOUD_ONLY_RESOURCES.includes(name.split('.', 1)[0] as string);

  it('has no operation that is neither tested nor named as cloud-only', () => {
    const called = calledHere();
    const names = connect().map(([name]) => name);
    expect(names.length).toBeGreaterThan(100);
    expect(names.filter((name) => !isCloudOnly(name) && !called.has(name))).toEqual([]);
  });

  it('gets an error that it can read for what is cloud-only', async () => {
    const cloudOnly = connect().filter(([name]) => isCloudOnly(name));
    // Serves as an id in a path, and as the fields of a body.
    const anything = { toString: () => 'x', events: [] };
    for (const [name, call] of cloudOnly) {
      const error = await call(...Array(5).fill(anything)).catch((reason: unknown) => reason);
      // Another verb of the same path may be there: `/msg/bulk-expunge` could be a message's id.
      const readable = { body: { code: expect.stringMatching(/^(not_found|method_not_allowed)$/) } };
      expect(error, name).toMatchObject(readable);
    }
  });
});

it('names only what one of the clients has as cloud-only', () => {
  const both = [FirstSvix, SecondSvix].flatMap((Svix) =>
    operationsOf(new Svix('key', { serverUrl: world.url })),
  );
  const names = new Set(both.map(([name]) => name));
  const resources = new Set([...names].map((name) => name.split('.', 1)[0]));
  expect([...CLOUD_ONLY].filter((name) => !names.has(name))).toEqual([]);
  expect(CLOUD_ONLY_RESOURCES.filter((name) => !resources.has(name))).toEqual([]);
});
