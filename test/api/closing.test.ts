import { once } from 'node:events';
import { connect } from 'node:net';
import { Agent, request } from 'undici';
import { expect, it } from 'vitest';
import { startReceiver } from '../helpers/receiver.ts';
import { startWorld } from '../helpers/world.ts';

it('closes at once when its connections are idle, also one that never said anything', async () => {
  const world = await startWorld();
  const port = Number(new URL(world.url).port);
  const silent = connect(port, '127.0.0.1');
  await once(silent, 'connect');
  const idle = connect(port, '127.0.0.1');
  idle.write('GET /api/v1/health/ping HTTP/1.1\r\nhost: x\r\n\r\n');
  const [answer] = await once(idle, 'data');
  expect(String(answer)).toContain('204');
  const ended = Promise.all([once(silent, 'close'), once(idle, 'close')]);
  silent.on('error', () => {});
  const startedAt = performance.now();
  await world.http.close();
  await ended;
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  await world.close();
});

it('finishes the requests under way, takes no new ones, and then ends their connections', async () => {
  const world = await startWorld();
  const held: (() => void)[] = [];
  const receiver = await startReceiver((response) => held.push(() => response.end('late')));
  const agent = new Agent();
  const underWay = request(`${world.url}/web_hooks/test.json`, {
    method: 'POST',
    headers: { authorization: `Bearer ${world.company.token}` },
    body: JSON.stringify({ action_type: 'ticket.created', url: receiver.url }),
    dispatcher: agent,
  });
  await receiver.has(1);
  const closed = world.http.close();
  await expect(request(world.url, { dispatcher: agent, blocking: false })).rejects.toThrow();
  held[0]?.();
  const answer = await underWay;
  expect(answer.statusCode).toBe(200);
  expect(answer.headers.connection).toBe('close');
  await answer.body.dump();
  await closed;
  await agent.close();
  await receiver.close();
  await world.close();
});

it('can be closed before it listens, and twice', async () => {
  const world = await startWorld();
  await world.http.close();
  await world.http.close();
  await world.close();
});
