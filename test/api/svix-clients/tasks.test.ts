import { Svix as FirstSvix } from 'svix';
import { BackgroundTaskStatus, BackgroundTaskType, MessageStatus, Ordering, StatusCodeClass } from 'svix2';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../../helpers/receiver.ts';
import { startWorld, type World } from '../../helpers/world.ts';
import { destinationIs } from './arrivals.ts';
import { type Client, generations } from './clients.ts';
import { bothWays } from './pages.ts';

const HOUR_MS = 3_600_000;
const PATIENCE = { timeout: 10_000, interval: 10 };

describe.each(generations)('$name: background tasks', ({ connect, refusal }) => {
  let world: World;
  let client: Client;
  let receiver: Receiver;
  let app: string;
  beforeAll(async () => {
    world = await startWorld();
    client = connect(world.operatorKey, world.url);
    receiver = await startReceiver();
  });
  beforeEach(async () => {
    app = (await client.application.create({ name: 'Acme' })).id;
  });
  afterAll(async () => {
    await world.close();
    await receiver.close();
  });

  const since = () => new Date(Date.now() - HOUR_MS);
  const publish = async () =>
    (await client.message.create(app, { eventType: 'ticket.created', tags: ['t'], payload: { n: 1 } })).id;
  const finished = async (id: string) => {
    const status = async () => (await client.backgroundTask.get(id)).status;
    await expect.poll(status, PATIENCE).toBe('finished');
    return client.backgroundTask.get(id);
  };

  it('replay missing sends an endpoint what is older than it', async () => {
    const message = await publish();
    const { id } = await client.endpoint.create(app, { url: receiver.url });
    const begun = await client.endpoint.replayMissing(app, id, { since: since() });
    expect(begun).toMatchObject({ status: 'running', task: 'endpoint.replay' });
    expect(begun.updatedAt).toBeInstanceOf(Date);
    const task = await finished(begun.id);
    expect(task).toMatchObject({
      id: begun.id,
      task: 'endpoint.replay',
      data: { affected: 1, endpointId: id },
    });
    await destinationIs(client, app, message, id, 'success');
    const tooLong = { since: new Date(Date.now() - 100 * 24 * HOUR_MS) };
    expect(await refusal(client.endpoint.replayMissing(app, id, tooLong))).toMatchObject({
      code: 422,
      body: { detail: [{ loc: ['body', 'since'] }] },
    });
  });

  it('bulk replay sends again what its filter picks', async () => {
    const { id } = await client.endpoint.create(app, { url: receiver.url });
    const message = await publish();
    await destinationIs(client, app, message, id, 'success');
    const before = receiver.received.length;
    const replay = async (filter: Partial<Parameters<Client['endpoint']['bulkReplay']>[2]>) => {
      const begun = await client.endpoint.bulkReplay(app, id, { since: since(), ...filter });
      expect(begun).toMatchObject({ status: 'running', task: 'endpoint.bulk-replay' });
      return (await finished(begun.id)).data;
    };
    expect(await replay({ tag: 'other' })).toMatchObject({ affected: 0 });
    expect(await replay({ status: MessageStatus.Fail })).toMatchObject({ affected: 0 });
    expect(await replay({ statusCodeClass: StatusCodeClass.Code4xx, until: new Date() })).toMatchObject({
      affected: 0,
    });
    const arrived = { status: MessageStatus.Success, statusCodeClass: StatusCodeClass.Code2xx };
    expect(await replay({ ...arrived, eventTypes: ['ticket.created'], tag: 't' })).toMatchObject({
      affected: 1,
    });
    await receiver.has(before + 1);
    await destinationIs(client, app, message, id, 'success');
  });

  it('are listed newest first, those of recoveries among them', async () => {
    const { id } = await client.endpoint.create(app, { url: receiver.url });
    const begun: string[] = [];
    for (let count = 0; count < 3; count++) {
      begun.push((await client.endpoint.recover(app, id, { since: since() })).id);
      await finished(begun.at(-1) as string);
    }
    const listed = await bothWays(2, (iterator) => client.backgroundTask.list({ limit: 2, iterator }));
    const own = listed.filter(({ id: task }) => begun.includes(task));
    expect(own.map(({ id: task }) => task)).toEqual(begun.toReversed());
    const [newest] = own;
    expect(newest).toMatchObject({ status: 'finished', task: 'endpoint.recover', data: { affected: 0 } });
    expect(newest?.updatedAt).toBeInstanceOf(Date);
    const oldest = await client.backgroundTask.list({
      order: Ordering.Ascending,
      task: BackgroundTaskType.EndpointRecover,
    });
    expect(oldest.data.map(({ id: task }) => task).slice(-3)).toEqual(begun);
    expect((await client.backgroundTask.list({ status: BackgroundTaskStatus.Running })).data).toEqual([]);
    expect((await client.backgroundTask.list({ task: BackgroundTaskType.SdkGenerate })).data).toEqual([]);
    expect((await refusal(client.backgroundTask.get('qtask_none'))).code).toBe(404);
  });
});

it('the older name of the list, which only the first generation has, is the same', async () => {
  const world = await startWorld();
  const svix = new FirstSvix(world.operatorKey, { serverUrl: world.url });
  expect((await svix.backgroundTask.listByEndpoint()).data).toEqual([]);
  await world.close();
});
