import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { type RunningApp, startApp } from '../../src/app.ts';
import { type MasterKey, parseMasterKey } from '../../src/model/sealed.ts';
import { readSettings } from '../../src/settings.ts';
import { assertDocumented } from './conformance.ts';
import { testDatabase } from './postgres.ts';

export const OPERATOR_KEY = 'operator-key-of-the-tests';
export const COMPANY_TOKEN = 'company-token-of-the-tests';
const masterKey = parseMasterKey('5e'.repeat(32)) as MasterKey;

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
type Json = any;

/** A whole Posthorn as `posthorn serve` runs it, in this process, on a folder of its own. */
export interface TestApp {
  readonly url: string;
  /** A call of company 1; the status and the parsed body. Both kinds throw when `openapi.json` promises otherwise. */
  hooks(method: string, path: string, body?: unknown): Promise<{ status: number; body: Json }>;
  /** A call of the operator. Text is sent as it is. */
  operate(method: string, path: string, body?: unknown): Promise<{ status: number; body: Json }>;
  /** Publishes to company 1; the message's id. */
  publish(payload: string, eventType?: string): Promise<string>;
  /** A message's deliveries once all of them are at rest. */
  settled(messageId: string): Promise<Json[]>;
  /** A message's attempts, oldest first. */
  attempts(messageId: string): Promise<Json[]>;
  stop(): Promise<void>;
  /** Stops and starts again on the same folder. */
  restart(): Promise<void>;
}

/**
 * Settings are given as environment variables. The app is stopped and its folder removed by the returned `dispose`. With
 * `POSTHORN_TEST_STORE=postgres` it is on a database of its own.
 */
export async function startTestApp(
  env: Record<string, string> = {},
): Promise<TestApp & { dispose(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-app-'));
  const database = process.env.POSTHORN_TEST_STORE === 'postgres' ? await testDatabase() : null;
  const read = readSettings({
    mode: 'development',
    env: {
      POSTHORN_LISTEN: '127.0.0.1:0',
      POSTHORN_DATA: folder,
      POSTHORN_OPERATOR_KEY: OPERATOR_KEY,
      POSTHORN_COMPANY_TOKEN: COMPANY_TOKEN,
      POSTHORN_RETRY_SCHEDULE: '50ms,50ms,50ms',
      ...(database && { POSTHORN_STORE: database.url }),
      ...env,
    },
    flags: {},
  });
  if (!read.ok) throw new Error(read.problems.join('; '));
  const start = () => startApp({ settings: read.settings, masterKey, log: pino({ level: 'silent' }) });
  let app: RunningApp | null = await start();

  const document = async () => (await fetch(`${app?.url}/openapi.json`)).json() as Promise<object>;
  const call = async (method: string, path: string, key: string, body?: unknown) => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const response = await fetch(`${app?.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}` },
      ...(text !== undefined && { body: text }),
    });
    const answer = await response.text();
    await assertDocumented(document, { method, path, status: response.status, text: answer });
    return { status: response.status, body: answer === '' ? null : JSON.parse(answer) };
  };
  const operate: TestApp['operate'] = (method, path, body) => call(method, path, OPERATOR_KEY, body);
  const stop = async () => {
    await app?.close();
    app = null;
  };
  return {
    get url() {
      return app?.url ?? '';
    },
    hooks: (method, path, body) => call(method, path, COMPANY_TOKEN, body),
    operate,
    async publish(payload, eventType = 'ticket.created') {
      const { status, body } = await operate(
        'POST',
        '/api/v1/app/1/msg',
        `{"eventType":"${eventType}","payload":${payload}}`,
      );
      if (status !== 202) throw new Error(`The publish was answered ${status}: ${JSON.stringify(body)}`);
      return body.id;
    },
    async settled(messageId) {
      for (;;) {
        const { body } = await operate('GET', `/api/v1/app/1/msg/${messageId}/endpoint`);
        if (body.data.every((each: Json) => !['pending', 'sending'].includes(each.state))) return body.data;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    async attempts(messageId) {
      return (await operate('GET', `/api/v1/app/1/attempt/msg/${messageId}`)).body.data.reverse();
    },
    stop,
    async restart() {
      await stop();
      app = await start();
    },
    async dispose() {
      await stop();
      await rm(folder, { recursive: true });
      await database?.dispose();
    },
  };
}
