import { Resolver } from 'node:dns/promises';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startTestApp } from '../helpers/app.ts';
import { type Receiver as Healthy, startReceiver } from '../helpers/receiver.ts';
import type { Receiver } from './receiver.ts';
import { type HellServer, type OpenReceiver, startHell } from './server.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
type Json = any;

const HEALTHY_MESSAGES = 100;
/** After what DNS said is no longer remembered (a second). */
const SCHEDULE = '1500ms';
const ATTEMPTS = 2;
/** Between the deadline and its timer, when the machine is busy. */
const SLACK_MS = 5_000;

export interface Meeting {
  readonly senders: '0' | '1';
  /** Between it and what is done at once there must be time for all that these do to the machine meanwhile. */
  readonly timeoutMs?: number;
  readonly receivers: readonly Receiver[];
}

/** Tests that a whole server meets these receivers as their table has it. */
export function meet({ senders, timeoutMs = 1_500, receivers: mine }: Meeting): void {
  const ended = new Map<string, { delivery: Json; attempts: Json[] }>();
  const trusted = getCACertificates('default');
  let app: Awaited<ReturnType<typeof startTestApp>>;
  let hell: HellServer;
  let healthy: Healthy;

  const open = (name: string) =>
    hell.receivers.find(({ receiver }) => receiver.name === name) as OpenReceiver;

  beforeAll(async () => {
    hell = await startHell(mine, { dripMs: 20 });
    healthy = await startReceiver();
    setDefaultCACertificates([...trusted, hell.authority]);
    // One that says nothing is given up sooner than otherwise.
    askOnly(hell.nameServer.address, 400);
    app = await startTestApp({
      POSTHORN_SENDERS: senders,
      POSTHORN_REQUEST_TIMEOUT: `${timeoutMs}ms`,
      POSTHORN_RETRY_SCHEDULE: SCHEDULE,
    });
    await endpoint('healthy', healthy.url, null);
    for (const { receiver, url } of hell.receivers) {
      await endpoint(receiver.name, url, [receiver.name === 'never-reads' ? 'large' : 'hell']);
    }
    // More than the sockets' buffers take.
    const large = `{"text":"${'x'.repeat(1_900_000)}"}`;
    const ids = await Promise.all([
      publish('{"n":0}', ['hell']),
      publish(large, ['large']),
      ...Array.from({ length: HEALTHY_MESSAGES - 2 }, (_, n) => publish(`{"n":${n}}`, ['well'])),
    ]);
    await healthy.has(HEALTHY_MESSAGES);
    await record(ids.slice(0, 2));
  });
  afterAll(async () => {
    await app.dispose();
    // All that the sender had open went with it.
    await Promise.all(hell.receivers.map((each) => each.idle()));
    await hell.close();
    await healthy.close();
    setDefaultCACertificates(trusted);
    vi.restoreAllMocks();
  });

  it.each(mine)('$name: it $does', async (receiver) => {
    const { delivery, attempts } = ended.get(receiver.name) as { delivery: Json; attempts: Json[] };
    const { status, error, outcome, later, lasts, orError } = receiver;
    const endings = attempts.map((each) => ({
      status: each.responseStatusCode || null,
      error: each.errorCode === orError ? error : each.errorCode,
    }));
    const count = outcome === 'tried again' ? ATTEMPTS : 1;
    const expected = Array.from({ length: count }, (_, n) => {
      return later !== undefined && n === count - 1 ? later : { status, error };
    });
    expect(endings).toEqual(expected);
    expect(delivery.state).toBe(
      { delivered: 'succeeded', 'tried again': 'failed', 'put off': 'pending' }[outcome],
    );
    for (const { responseDurationMs } of attempts) {
      expect(responseDurationMs).toBeLessThan(timeoutMs + SLACK_MS);
      if (lasts) expect(responseDurationMs).toBeGreaterThanOrEqual(timeoutMs - 5);
    }
    if (outcome === 'put off') {
      const aheadMs = Date.parse(delivery.nextAttempt) - Date.now();
      expect(aheadMs).toBeGreaterThan(23 * 3_600_000);
      expect(aheadMs).toBeLessThanOrEqual(24 * 3_600_000);
    }
    const { got } = open(receiver.name);
    if (receiver.reads === false) expect(got).toEqual([]);
    else expect(got).toHaveLength(later === undefined ? attempts.length : attempts.length - 1);
  });

  it('that end badly are not left with an open connection', async () => {
    const bad = hell.receivers.filter(({ receiver: { error } }) => error !== null);
    await Promise.all(bad.map((each) => each.idle()));
    expect(bad.map((each) => each.open)).toEqual(bad.map(() => 0));
  });

  it('take nothing from a healthy one beside them', async () => {
    expect(healthy.received).toHaveLength(HEALTHY_MESSAGES);
    const attempts = await listed(`/attempt/endpoint/healthy?limit=250`);
    expect(attempts.map((each) => [each.responseStatusCode, each.attemptNumber, each.errorCode])).toEqual(
      Array(HEALTHY_MESSAGES).fill([200, 1, null]),
    );
    expect((await app.operate('GET', '/api/v1/health')).status).toBe(200);
  });

  async function endpoint(uid: string, url: string, channels: string[] | null): Promise<void> {
    const { status, body } = await app.operate('POST', '/api/v1/app/1/endpoint', { uid, url, channels });
    expect(status, JSON.stringify(body)).toBe(201);
  }

  async function publish(payload: string, channels: string[]): Promise<string> {
    const message = `{"eventType":"ticket.created","channels":${JSON.stringify(channels)},"payload":${payload}}`;
    const { status, body } = await app.operate('POST', '/api/v1/app/1/msg', message);
    expect(status).toBe(202);
    return body.id;
  }

  async function listed(path: string): Promise<Json[]> {
    return (await app.operate('GET', `/api/v1/app/1${path}`)).body.data;
  }

  /** Waits until the deliveries are at rest, or put off, and reads their attempts. */
  async function record(ids: string[]): Promise<void> {
    const putOff = new Set(mine.filter(({ outcome }) => outcome === 'put off').map(({ name }) => name));
    const atRest = ({ uid, state, attemptCount }: Json) =>
      !['pending', 'sending'].includes(state) || (putOff.has(uid) && attemptCount > 0);
    const deliveries = async () => {
      const all = await Promise.all(ids.map((id) => listed(`/msg/${id}/endpoint?limit=250`)));
      return all.flat().filter(({ uid }) => uid !== 'healthy');
    };
    let all = await deliveries();
    while (!all.every(atRest)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      all = await deliveries();
    }
    for (const delivery of all) {
      const attempts = await listed(`/attempt/endpoint/${delivery.uid}`);
      ended.set(delivery.uid, { delivery, attempts: attempts.reverse() });
    }
  }
}

/** Lets every resolver of this process ask only the given name server, and wait so long for its first answer. */
export function askOnly(address: string, timeoutMs: number): void {
  const { resolve4, resolve6 } = Resolver.prototype;
  const aimed = new Resolver({ timeout: timeoutMs, tries: 2 });
  aimed.setServers([address]);
  vi.spyOn(Resolver.prototype, 'resolve4').mockImplementation(resolve4.bind(aimed) as typeof resolve4);
  vi.spyOn(Resolver.prototype, 'resolve6').mockImplementation(resolve6.bind(aimed) as typeof resolve6);
}
