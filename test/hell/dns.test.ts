import { afterEach, describe, expect, it, vi } from 'vitest';
import { startTestApp } from '../helpers/app.ts';
import { startReceiver } from '../helpers/receiver.ts';
import { askOnly, meet } from './meeting.ts';
import { startNameServer } from './name-server.ts';
import { receivers } from './receivers.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

describe('receivers whose DNS is from hell', () => {
  // A name server that says nothing is given up before that.
  meet({ senders: '0', timeoutMs: 4_000, receivers: receivers.filter(({ dns }) => dns) });
});

it('a hundred names that hang keep no other name waiting', async () => {
  const nameServer = await startNameServer();
  const healthy = await startReceiver();
  const app = await startTestApp({ POSTHORN_SENDERS: '0', POSTHORN_SHUTDOWN_GRACE: '50ms' });
  askOnly(nameServer.address, 4_000);
  const { port } = new URL(healthy.url);
  // As many as a name server in the same process takes at once: each is two packets, and its buffer holds 256.
  const hanging = Array.from({ length: 100 }, (_, n) => `hanging-${n}`);
  for (const uid of [...hanging, 'healthy']) {
    const host = `${uid}.hell.test`;
    nameServer.set(host, [uid === 'healthy' ? { addresses: ['127.0.0.1'] } : 'silence']);
    const endpoint = { uid, url: `http://${host}:${port}/`, channels: [uid === 'healthy' ? uid : 'hanging'] };
    expect((await app.operate('POST', '/api/v1/app/1/endpoint', endpoint)).status).toBe(201);
  }
  const publish = async (channel: string) => {
    const message = { eventType: 'ticket.created', channels: [channel], payload: {} };
    return (await app.operate('POST', '/api/v1/app/1/msg', message)).body.id;
  };
  const hung = await publish('hanging');
  while (nameServer.asked < hanging.length) await new Promise((resolve) => setTimeout(resolve, 5));
  await publish('healthy');
  await healthy.has(1);
  // All of those are still waiting for DNS.
  expect((await app.operate('GET', `/api/v1/app/1/attempt/msg/${hung}`)).body.data).toEqual([]);
  await app.dispose();
  await healthy.close();
  await nameServer.close();
});
