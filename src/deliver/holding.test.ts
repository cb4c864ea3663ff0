import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { buildConnector } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../../test/helpers/receiver.ts';
import type { Exchange, HoldUntil, Sender } from '../model/exchange.ts';
import { systemClock } from '../system/clock.ts';
import { createHttpSender, type HttpSenderOptions } from './http-sender.ts';
import { createThreadSender } from './sender-thread.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

const SENDERS = [
  ['this thread', createHttpSender],
  ['a thread of its own', createThreadSender],
] as const;
const HOUR_MS = 3_600_000;

function until(monotonicMs: number, wallMs: number): HoldUntil {
  return { monotonic: systemClock.monotonic() + monotonicMs, wall: systemClock.now() + wallMs };
}

function world(make: (options: HttpSenderOptions) => Sender, extra: Partial<HttpSenderOptions> = {}) {
  const ended = new Map<number, (exchange: Exchange | null) => void>();
  const sender = make({
    allowNetworks: ['127.0.0.0/8'],
    signatureHeaders: 'standard',
    userAgent: 'Posthorn/test',
    clock: systemClock,
    onResults: (results) => {
      for (const { ref, exchange } of results) ended.get(ref)?.(exchange);
    },
    ...extra,
  });
  cleanUps.push(() => sender.close());
  const secrets = [{ text: `whsec_${Buffer.alloc(32, 1).toString('base64')}`, until: null }];
  const target = (href: string) => ({ applicationKey: 1, href, headers: {}, secrets });
  let lastRef = 0;
  /** The status that came back; null: the request was not begun. */
  const post = ({ url }: Receiver, test = false) =>
    new Promise<number | null | undefined>((resolve) => {
      const ref = ++lastRef;
      ended.set(ref, (exchange) => resolve(exchange === null ? null : (exchange.status ?? undefined)));
      const job = {
        ref,
        target: target(url),
        messageId: 'msg_1',
        payload: '{}',
        timeoutMs: 5_000,
        test,
        queue: null,
      };
      sender.send([job]);
    });
  return { sender, post };
}

async function receiver(respond?: (response: ServerResponse) => void): Promise<Receiver> {
  const started = await startReceiver(respond);
  cleanUps.push(() => started.close());
  return started;
}

describe.each(SENDERS)('a sender on %s', (_, make) => {
  it.each([
    ['its time is over', until(-1, HOUR_MS)],
    ['the machine slept until its time was over', until(HOUR_MS, -1)],
  ])('begins nothing but tests when %s, until it may again', async (_why, over) => {
    const to = await receiver();
    const { sender, post } = world(make);
    expect(await post(to)).toBe(200);
    sender.holdUntil(over);
    expect(await Promise.all([post(to), post(to), post(to, true)])).toEqual([null, null, 200]);
    expect(to.received).toHaveLength(2);
    sender.holdUntil(until(HOUR_MS, HOUR_MS));
    expect(await post(to)).toBe(200);
    expect(to.received).toHaveLength(3);
  });

  it('lets end what has begun, and does not begin what waits for a socket', async () => {
    const asked = Promise.withResolvers<ServerResponse>();
    const slow = await receiver(asked.resolve);
    const other = await receiver();
    const { sender, post } = world(make, { socketsMost: 1 });
    const first = post(slow);
    const second = post(other);
    const response = await asked.promise;
    sender.holdUntil(until(-1, HOUR_MS));
    response.end('ok');
    expect(await first).toBe(200);
    expect(await second).toBeNull();
    expect(other.received).toEqual([]);
    // The socket is free again.
    sender.holdUntil(until(HOUR_MS, HOUR_MS));
    expect(await post(other)).toBe(200);
  });
});

it('sends nothing over a connection that came about too late', async () => {
  const to = await receiver();
  const connected = Promise.withResolvers<() => void>();
  const build: typeof buildConnector = (options) => {
    const connect = buildConnector(options) as unknown as (asked: unknown, callback: Back) => Socket;
    type Back = (...args: unknown[]) => void;
    return ((asked: unknown, callback: Back) =>
      connect(asked, (...args) => connected.resolve(() => callback(...args)))) as unknown as ReturnType<
      typeof buildConnector
    >;
  };
  const { sender, post } = world(createHttpSender, { build });
  const result = post(to);
  const goOn = await connected.promise;
  sender.holdUntil(until(-1, HOUR_MS));
  goOn();
  expect(await result).toBeNull();
  expect(to.received).toEqual([]);
});
