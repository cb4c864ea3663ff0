import { Webhook } from 'svix';
import { MessageAttemptTriggerType, MessageStatus } from 'svix2';
import { describe, expect, it } from 'vitest';
import { type Received, startReceiver } from '../../helpers/receiver.ts';
import { startWorld } from '../../helpers/world.ts';
import { attempted, destinationIs } from './arrivals.ts';
import { generations } from './clients.ts';

const PATIENCE = { timeout: 10_000, interval: 10 };

/** Who uses Svix today changes a URL: the whole of a day's work, in one go. */
describe.each(generations)('$name with another server URL', ({ connect }) => {
  it('creates, publishes, reads, rotates, recovers, resends and sends an example', async () => {
    const world = await startWorld();
    const client = connect(world.operatorKey, world.url);
    let broken = true;
    const receiver = await startReceiver((response) => {
      response.statusCode = broken ? 503 : 204;
      response.end();
    });
    const began = new Date(Date.now() - 1_000);

    const application = await client.application.create({ name: 'Acme', uid: 'acme' });
    await client.eventType.create({
      name: 'invoice.paid',
      description: 'An invoice was paid.',
      schemas: { 1: { type: 'object', examples: [{ id: 'inv_example' }] } },
    });
    const endpoint = await client.endpoint.create('acme', { url: `${receiver.url}/hook`, uid: 'main' });
    const secret = (await client.endpoint.getSecret('acme', 'main')).key;

    const message = await client.message.create('acme', {
      eventType: 'invoice.paid',
      payload: { id: 'inv_1' },
    });
    const attempts = await attempted(client, application.id, message.id, 3);
    expect(attempts.map(({ status, responseStatusCode }) => [status, responseStatusCode])).toEqual(
      Array(3).fill([MessageStatus.Fail, 503]),
    );
    await destinationIs(client, 'acme', message.id, endpoint.id, 'fail');

    await client.endpoint.rotateSecret('acme', 'main', {});
    const rotated = (await client.endpoint.getSecret('acme', 'main')).key;
    expect(rotated).not.toBe(secret);

    broken = false;
    const task = await client.endpoint.recover('acme', 'main', { since: began });
    expect([task.task, task.updatedAt]).toEqual(['endpoint.recover', expect.any(Date)]);
    await destinationIs(client, 'acme', message.id, endpoint.id, 'success');

    expect(await client.messageAttempt.resend('acme', message.id, 'main')).toEqual({});
    const newest = async () =>
      (await client.messageAttempt.listByMsg('acme', message.id, { limit: 1 })).data[0];
    await expect
      .poll(async () => (await newest())?.triggerType, PATIENCE)
      .toBe(MessageAttemptTriggerType.Manual);

    const example = await client.endpoint.sendExample('acme', 'main', { eventType: 'invoice.paid' });
    await attempted(client, 'acme', example.id, 1);

    const all = receiver.received as Received[];
    expect(all.map(({ body }) => JSON.parse(body))).toEqual([
      ...Array(5).fill({ id: 'inv_1' }),
      { id: 'inv_example' },
    ]);
    expect(new Set(all.slice(0, 5).map(({ headers }) => headers['webhook-id']))).toEqual(
      new Set([message.id]),
    );
    const verify = (key: string, { body, headers }: Received) =>
      new Webhook(key).verify(body, headers as Record<string, string>);
    for (const each of all) expect(verify(secret, each)).toEqual(JSON.parse(each.body));
    for (const each of all.slice(3)) expect(verify(rotated, each)).toEqual(JSON.parse(each.body));
    expect(await client.endpoint.getStats('acme', 'main')).toMatchObject({ success: 3, fail: 3 });

    await receiver.close();
    await world.close();
  });
});
