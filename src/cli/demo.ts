import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { type RunningApp, startApp } from '../app.ts';
import { helpDeskCatalogue } from '../catalogue/help-desk.ts';
import type { Timer } from '../model/clock.ts';
import { readSettings, type Settings } from '../settings.ts';
import { systemClock } from '../system/clock.ts';
import { systemRandom } from '../system/random.ts';
import { type Answer, callApi } from './api-call.ts';
import { CliError } from './cli-error.ts';
import { prepareDataFolder } from './data-folder.ts';
import { type Arrival, DemoReceiver } from './demo-receiver.ts';
import { paint } from './paint.ts';
import { type Call, curl } from './shell.ts';

const DEADLINE_MS = 30_000;
const RETRY_WAIT = '1s';
const POLL_MS = 10;
const EVENTS = ['ticket.created', 'agent.reply.created', 'comment.created'] as const;
/** Characters of a body that are shown. */
const BODY_SHOWN = 76;

/** `posthorn demo`: the whole way of a webhook, on a temporary server. Returns the exit code. */
export async function demo(): Promise<number> {
  const folder = temporaryFolder();
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      removeFolder();
      process.exit(signal === 'SIGINT' ? 130 : 143);
    });
  }
  const story = new Story(folder);
  try {
    await story.within(DEADLINE_MS);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`The demo could not go on: ${(error as Error).message}`, { cause: error });
  } finally {
    await story.end();
    removeFolder();
  }
  return 0;
}

/** What one run does and what it has seen so far. */
class Story {
  readonly #startedAt = systemClock.monotonic();
  readonly #folder: string;
  readonly #receiver: DemoReceiver;
  readonly #arrivals: Arrival[] = [];
  #arrived: () => void = () => {};
  #step = 0;
  /** What the deadline would blame. */
  #waitingFor = 'the server to start';
  #app: RunningApp | null = null;
  #over = false;

  constructor(folder: string) {
    this.#folder = folder;
    this.#receiver = new DemoReceiver({ clock: systemClock, onArrival: (arrival) => this.#receive(arrival) });
  }

  async within(deadlineMs: number): Promise<void> {
    let timer: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = systemClock.timer(deadlineMs, () =>
        reject(new CliError(`The demo waited ${deadlineMs / 1000} s for ${this.#waitingFor}, in vain.`)),
      );
    });
    await Promise.race([this.#tell(), late]).finally(() => timer?.cancel());
  }

  async end(): Promise<void> {
    this.#over = true;
    await this.#app?.close();
    this.#receiver.close();
  }

  async #tell(): Promise<void> {
    const hookUrl = await this.#receiver.listen();
    this.#head('A receiver starts. It will fail once: the first delivery gets a 500.');
    this.#line(hookUrl);
    const { url, operatorKey, companyToken } = await this.#startServer();
    const operator = `${url}/api/v1/app/1`;

    this.#head('A company registers the URL, through the Web Hooks API.');
    const created = await this.#call(201, {
      method: 'POST',
      url: `${url}/web_hooks.json?auth_token=${companyToken}`,
      body: JSON.stringify({ web_hook: { url: hookUrl } }),
    });
    const hookId: string = created.web_hook.id;

    this.#head('The receiver is given the secret of the web hook, to verify signatures with.');
    const secret = await this.#call(200, {
      method: 'GET',
      url: `${operator}/endpoint/${hookId}/secret`,
      key: operatorKey,
    });
    this.#receiver.trust(secret.key);

    const messageIds: string[] = [];
    for (const eventType of EVENTS) {
      this.#head(`The help desk publishes ${eventType}.`);
      const messageId = await this.#publish(operator, operatorKey, eventType);
      messageIds.push(messageId);
      await this.#arrival(messageId, 1);
      if (messageIds.length === 1) await this.#planned(operator, operatorKey, messageId);
    }

    this.#head(`The retry of ${EVENTS[0]} is due.`);
    await this.#arrival(messageIds[0] ?? '', 2);

    this.#head('Everything is on record: the attempts, newest first.');
    await this.#readBack({ operator, operatorKey, hookId, messageIds });
    this.#finish(messageIds);
  }

  async #startServer(): Promise<{ url: string; operatorKey: string; companyToken: string }> {
    this.#head(`A temporary Posthorn starts, with a retry schedule of ${RETRY_WAIT}.`);
    const settings = demoSettings(this.#folder);
    const { masterKey } = prepareDataFolder({ settings, random: systemRandom });
    const app = await startApp({ settings, masterKey, log: pino({ level: 'silent' }) });
    // The deadline may have passed meanwhile.
    if (this.#over) await app.close();
    this.#app = app;
    const { operatorKey, companyToken } = app.shownOnce;
    if (operatorKey === null || companyToken === null) throw new CliError('The first start made no keys.');
    this.#line(`${app.url}, data in ${this.#folder}`);
    this.#line(`operator key ${operatorKey}, company 1's token ${companyToken}`);
    return { url: app.url, operatorKey, companyToken };
  }

  async #publish(operator: string, key: string, eventType: string): Promise<string> {
    const payload = helpDeskCatalogue.find((entry) => entry.name === eventType)?.example;
    const body = JSON.stringify({ eventType, payload });
    const call: Call = { method: 'POST', url: `${operator}/msg`, key, body };
    // The answer repeats the whole payload; its id is what matters.
    const { id } = await this.#call(202, call, ({ id, timestamp }) => JSON.stringify({ id, timestamp }));
    return id;
  }

  /** Shows when the failed delivery goes out again, as the API says it. */
  async #planned(operator: string, key: string, messageId: string): Promise<void> {
    this.#waitingFor = 'the failed attempt to be on record';
    const call: Call = { method: 'GET', url: `${operator}/msg/${messageId}/endpoint`, key };
    for (;;) {
      const [delivery] = parsed(await callApi(call)).data;
      if (delivery?.attemptCount === 1 && delivery.nextAttempt !== null) {
        const waitMs = Date.parse(delivery.nextAttempt) - systemClock.now();
        this.#line(`${paint('yellow', 'retry planned')} for ${delivery.nextAttempt}, in ${seconds(waitMs)}`);
        return;
      }
      await pause();
    }
  }

  async #readBack(asked: {
    operator: string;
    operatorKey: string;
    hookId: string;
    messageIds: string[];
  }): Promise<void> {
    const { operator, operatorKey: key, hookId, messageIds } = asked;
    this.#waitingFor = 'the last attempt to be on record';
    const call: Call = { method: 'GET', url: `${operator}/attempt/endpoint/${hookId}`, key };
    const expected = EVENTS.length + 1;
    let attempts: RecordedAttempt[] = [];
    // An attempt is on record a few milliseconds after it was answered.
    for (;;) {
      attempts = parsed(await callApi(call)).data;
      if (attempts.length >= expected) break;
      await pause();
    }
    this.#line(paint('dim', curl(call)));
    for (const attempt of attempts) {
      const eventType = EVENTS[messageIds.indexOf(attempt.msgId)] ?? '?';
      const { attemptNumber, responseStatusCode, responseDurationMs, statusText } = attempt;
      this.#line(
        `${attempt.timestamp}  ${eventType.padEnd(20)} attempt ${attemptNumber}  ${responseStatusCode} ${statusText} in ${responseDurationMs} ms`,
      );
    }
    const statuses = attempts.map((attempt) => attempt.responseStatusCode).sort();
    assertPromise(statuses.join() === '200,200,200,500', `the record has the answers ${statuses.join(', ')}`);
  }

  #finish(messageIds: string[]): void {
    const distinct = new Set(this.#arrivals.map((arrival) => arrival.messageId));
    assertPromise(
      distinct.size === messageIds.length,
      `${distinct.size} messages arrived, not ${messageIds.length}`,
    );
    process.stdout.write(
      `\n${paint('green', 'Done')} in ${seconds(systemClock.monotonic() - this.#startedAt)}: ${messageIds.length} events published, ` +
        `${this.#arrivals.length} deliveries, 1 failure, 1 retry, all signatures verified.\n` +
        'Next: posthorn dev (or npm start) gives you a server to play with, with lines to paste.\n',
    );
  }

  /** Makes the call, shows it as curl with the answer, and returns the answer's JSON. */
  async #call(
    expectedStatus: number,
    call: Call,
    show = (json: Record<string, unknown>) => JSON.stringify(json),
  ) {
    this.#waitingFor = `the answer of ${call.url}`;
    this.#line(paint('dim', shortened(curl(call))));
    const answer = await callApi(call);
    const { status, text } = answer;
    assertPromise(status === expectedStatus, `${call.method} ${call.url} was answered ${status}: ${text}`);
    const json = parsed(answer);
    this.#line(`${paint('cyan', String(status))} ${shortened(show(json))}`);
    return json;
  }

  #receive(arrival: Arrival): void {
    this.#arrivals.push(arrival);
    const signature = arrival.verified
      ? paint('green', 'signature verified')
      : paint('red', 'signature WRONG');
    const answer = arrival.status === 200 ? paint('green', '200') : paint('red', String(arrival.status));
    this.#line(`${paint('bold', 'receiver')} got ${shortened(arrival.body)}`);
    this.#line(`         webhook-id ${arrival.messageId}`);
    this.#line(`         webhook-timestamp ${arrival.timestamp}`);
    this.#line(`         webhook-signature ${arrival.signature}  ${signature}`);
    this.#line(`         answers ${answer}`);
    this.#arrived();
  }

  /** Resolves when the message was delivered `count` times. */
  async #arrival(messageId: string, count: number): Promise<void> {
    this.#waitingFor = `delivery ${count} of ${messageId}`;
    const arrived = () => this.#arrivals.filter((arrival) => arrival.messageId === messageId).length;
    while (arrived() < count) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
    assertPromise(
      this.#arrivals.every((arrival) => arrival.verified),
      'a signature did not verify',
    );
  }

  #head(text: string): void {
    this.#step += 1;
    process.stdout.write(`\n${paint('bold', `${this.#step}. ${text}`)}\n`);
  }

  #line(text: string): void {
    if (this.#over) return;
    const elapsed = seconds(systemClock.monotonic() - this.#startedAt);
    process.stdout.write(`${paint('dim', `+${elapsed.padStart(7)}`)}  ${text}\n`);
  }
}

interface RecordedAttempt {
  msgId: string;
  timestamp: string;
  attemptNumber: number;
  responseStatusCode: number;
  responseDurationMs: number;
  statusText: string;
}

function temporaryFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'posthorn-demo-'));
  } catch (error) {
    throw new CliError(
      `The demo can't make its folder (${(error as Error).message}). Set TMPDIR to a folder that is writable.`,
      {
        cause: error,
      },
    );
  }
}

function demoSettings(folder: string): Settings {
  const flags = { '--listen': '127.0.0.1:0', '--data': folder, '--retry-schedule': RETRY_WAIT };
  const read = readSettings({ mode: 'development', env: {}, flags });
  if (!read.ok) throw new Error(read.problems.join(' '));
  return read.settings;
}

function pause(): Promise<void> {
  return new Promise((resolve) => void systemClock.timer(POLL_MS, resolve));
}

function assertPromise(kept: boolean, otherwise: string): void {
  if (!kept) throw new CliError(`The demo did not go as promised: ${otherwise}.`);
}

function parsed({ text }: Answer) {
  return JSON.parse(text);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}

/** Long bodies are cut where they are shown, never where they are sent. */
function shortened(text: string): string {
  const start = Math.max(0, text.indexOf(" -d '")) + BODY_SHOWN;
  return text.length <= start + BODY_SHOWN
    ? text
    : `${text.slice(0, start)}… (${text.length - start} characters more)`;
}
