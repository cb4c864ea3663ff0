import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import type { Console } from './console.ts';

/** What there is to see in company 1: hooks in every state, and what became of some actions. */
export interface Scene {
  readonly receiver: Receiver;
  /** Ids. */
  readonly hooks: Readonly<Record<'healthy' | 'failing' | 'paused' | 'disabled', string>>;
  close(): Promise<void>;
}

/** Retries that never come, so that what failed stays as it is while somebody looks at it. */
export const SCENE_ENV = { POSTHORN_RETRY_SCHEDULE: '1h,5h' };

export async function setScene({ app }: Pick<Console, 'app'>): Promise<Scene> {
  const receiver = await startReceiver((response, { path }) => {
    response.writeHead(path === '/down' ? 503 : 200).end(path === '/down' ? 'in maintenance' : 'ok');
  });
  const add = async (fields: object): Promise<string> => {
    const { status, body } = await app.operate('POST', '/api/v1/app/1/endpoint', fields);
    if (status !== 201) throw new Error(`A hook of the scene was refused: ${JSON.stringify(body)}`);
    return body.id;
  };
  const hooks = {
    healthy: await add({ url: `${receiver.url}/hooks/tickets`, description: 'Tickets to the warehouse' }),
    failing: await add({
      url: `${receiver.url}/down`,
      description: 'The old CRM',
      eventTypes: ['ticket.created', 'ticket.trashed', 'agent.reply.created'],
      throttleRate: 20,
    }),
    paused: await add({ url: `${receiver.url}/hooks/reports`, eventTypes: ['ticket.*'] }),
    disabled: await add({ url: `${receiver.url}/hooks/archive`, description: 'Switched off since May' }),
  };
  await app.operate('PATCH', `/api/v1/app/1/endpoint/${hooks.paused}`, { paused: true });
  await app.operate('PATCH', `/api/v1/app/1/endpoint/${hooks.disabled}`, { disabled: true });
  for (let number = 0; number < 8; number++) {
    const type = number % 2 === 0 ? 'ticket.created' : 'agent.reply.created';
    await app.publish(`{"payload":{"action_type":"${type}","ticket":{"id":${number}}}}`, type);
  }
  // To each of the two that take something.
  await receiver.has(16);
  await attemptsRecorded(app, hooks);
  return { receiver, hooks, close: () => receiver.close() };
}

async function attemptsRecorded(app: Console['app'], hooks: Scene['hooks']): Promise<void> {
  for (const hook of [hooks.healthy, hooks.failing]) {
    for (;;) {
      const { body } = await app.operate('GET', `/api/v1/app/1/attempt/endpoint/${hook}`);
      if (body.data.length === 8) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
