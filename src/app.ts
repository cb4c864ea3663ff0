import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { helpDeskCatalogue } from './catalogue/help-desk.ts';
import { createSender } from './deliver/sender.ts';
import { TestSends } from './deliver/test-sends.ts';
import { createEngine } from './engine.ts';
import { createHttpServer } from './http/server.ts';
import { SCHEDULE_LIMITS } from './limits.ts';
import { type Networks, parseNetworks } from './model/address.ts';
import type { Clock, Random } from './model/clock.ts';
import type { EventType } from './model/event-type.ts';
import { createIds } from './model/id.ts';
import { DEFAULT_JITTER } from './model/retry-schedule.ts';
import type { MasterKey } from './model/sealed.ts';
import { SharedClock } from './model/shared-clock.ts';
import { Answers } from './registry/answers.ts';
import { Keyring } from './registry/keyring.ts';
import type { Registry } from './registry/registry.ts';
import { Sessions } from './registry/sessions.ts';
import type { Settings } from './settings.ts';
import { openStore } from './store/open.ts';
import { type Store, StoreError } from './store/store.ts';
import { StoreTrouble } from './store-trouble.ts';
import { systemClock } from './system/clock.ts';
import { openFilesLimit, shareOpenFiles } from './system/open-files.ts';
import { systemRandom } from './system/random.ts';
import { version } from './version.ts';

export interface RunningApp {
  /** `http://127.0.0.1:8071` */
  readonly url: string;
  /** Keys made at this start: shown to a person now, never again. */
  readonly shownOnce: { readonly operatorKey: string | null; readonly companyToken: string | null };
  /** Resolves when the store is broken and the process must end. */
  readonly failed: Promise<Error>;
  /** Stops accepting, finishes what is under way, leaves the rest committed. Resolves within the grace period. */
  close(): Promise<void>;
}

export interface AppParams {
  settings: Settings;
  masterKey: MasterKey;
  log: Logger;
  clock?: Clock;
  random?: Random;
  /** How many files, sockets among them, the process may have open at once. */
  openFiles?: number;
}

/** Opens the store, starts the engine and serves it over HTTP. */
export async function startApp({
  settings,
  masterKey,
  log,
  clock: own = systemClock,
  random = systemRandom,
  openFiles = openFilesLimit(),
}: AppParams): Promise<RunningApp> {
  const clock = new SharedClock(own);
  const store = await openStore({ settings, clock, log });
  try {
    return await serve({ settings, masterKey, log, clock, random, openFiles }, store);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function serve(params: Required<AppParams>, store: Store): Promise<RunningApp> {
  const { settings, log, clock } = params;
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<Error>((resolve) => {
    fail = resolve;
  });
  const { engine, keyring, tests, http, trouble } = await compose(params, store, fail);
  const stop = async () => {
    trouble.stop();
    await Promise.all([engine.close(), tests.close(), keyring.close()]);
    await store.close();
  };

  let shownOnce: RunningApp['shownOnce'] = { operatorKey: null, companyToken: null };
  let url: string;
  try {
    await assertMasterKey(store, params.masterKey);
    // Of several that start at once on a new database, one makes what must be there.
    shownOnce = await store.exclusively(() =>
      firstStart({ settings, store, registry: engine.registry, keyring, clock, log }),
    );
    await engine.start();
    keyring.start();
    url = await http.listen(settings.listen);
  } catch (error) {
    // Nobody was shown the keys just made: the next start makes others.
    for (const text of Object.values(shownOnce)) if (text !== null) await keyring.withdraw(text);
    await http.close();
    await stop();
    throw error;
  }

  const close = async () => {
    // At once, both: a client that keeps its request open must not keep deliveries going out.
    const drained = Promise.all([engine.stopSending(), http.close()]).then(() => engine.drain());
    if (!(await within(drained, settings.shutdownGraceMs, clock))) {
      const { inFlight } = engine;
      log.warn({ inFlight }, 'the grace period is over: what is under way is sent again at the next start');
    }
    await stop();
  };
  let closing: Promise<void> | null = null;
  return {
    url,
    shownOnce,
    failed,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** The engine, and HTTP in front of it; nothing runs yet. Only a `SharedClock` goes by the time of a store that is shared. */
export async function compose(params: Required<AppParams>, store: Store, broken: (error: Error) => void) {
  const { settings, masterKey, clock, random, openFiles } = params;
  const trouble = new StoreTrouble({ store, lasts: () => engine.trouble !== null, clock, log: params.log });
  const log = trouble.quiet(params.log);
  const shares = shareOpenFiles(openFiles);
  if (shares.warning !== null) log.warn({ openFiles }, shares.warning);
  const { allowNetworks, signatureHeaders, requestTimeoutMs } = settings;
  const ids = createIds(clock, random);
  const senderOptions = { allowNetworks, signatureHeaders, userAgent: `Posthorn/${version}`, clock, log };
  const retrySchedule = { delaysMs: settings.retryScheduleMs, jitter: DEFAULT_JITTER };
  const engine = createEngine({
    store,
    clock,
    random,
    ids,
    masterKey,
    retrySchedule,
    disableAfterMs: settings.disableAfterMs,
    requestTimeoutMs,
    scheduleLimits: { ...SCHEDULE_LIMITS, inFlight: shares.inFlight },
    makeSender: (onResults) =>
      createSender({
        ...senderOptions,
        threads: settings.senderThreads,
        socketsMost: shares.deliverySockets,
        onResults,
      }),
    broken,
    onApplicationDeleted: (applicationKey) => keyring.forget(applicationKey),
    onKeysChanged: () => keyring.heardChange(),
    node: { name: `${hostname()}:${process.pid}`, leaseMs: settings.nodeLeaseMs },
    keepMs: settings.retentionMs,
    log,
  });
  const keyring = new Keyring({ store, clock, random, ids, log });
  const tests = new TestSends(
    (onResults) => createSender({ ...senderOptions, threads: 0, socketsMost: shares.testSockets, onResults }),
    requestTimeoutMs,
  );
  const http = await createHttpServer({
    registry: engine.registry,
    keyring,
    sessions: new Sessions({ store, keyring, clock, random, ids }),
    accept: engine.accept,
    reader: engine.reader,
    statistics: engine.statistics,
    redelivery: engine.redelivery,
    explainer: engine.explainer,
    pulse: {
      lane: (endpointKey) => engine.state(endpointKey),
      failing: (endpointKey) => engine.failing(endpointKey),
    },
    retrySchedule,
    answers: new Answers({ store, masterKey, clock, random }),
    tests,
    ids,
    clock,
    random,
    allowNetworks: networks(allowNetworks),
    version,
    publicUrl: settings.publicUrl,
    maxConnections: shares.httpConnections,
    async health() {
      if (engine.trouble !== null) throw engine.trouble;
      await trouble.check();
    },
    log,
  });
  return { engine, keyring, tests, http, trouble };
}

async function assertMasterKey(store: Store, masterKey: MasterKey): Promise<void> {
  if (await store.masterKeyKeep({ id: masterKey.id.readUInt32BE() })) return;
  throw new StoreError(
    'incompatible',
    'The secrets in this store were encrypted with another master key. Start with the one used before: POSTHORN_MASTER_KEY, or the file master.key in the data folder.',
  );
}

/**
 * Company 1, its catalogue, and the keys: there from the first start. What an operator deletes later stays deleted; keys come
 * again where none is left that lasts.
 */
export async function firstStart(params: {
  settings: Settings;
  store: Store;
  registry: Registry;
  keyring: Keyring;
  clock: Clock;
  log: { warn(text: string): void };
}): Promise<RunningApp['shownOnce']> {
  const { settings, store, registry, keyring, clock, log } = params;
  if ((await store.applicationLastNumber()) === 0) {
    // The catalogue first: a start that breaks off between the two does both again.
    await store.eventTypeInsertMissing({ eventTypes: catalogue(clock.now()) });
    await registry.applicationCreate({ uid: null, name: 'Company 1', throttleRate: null, metadata: {} });
  }
  const company = await store.applicationFindByNumber({ number: 1 });
  if (company === null && settings.companyToken !== null) {
    log.warn(
      'POSTHORN_COMPANY_TOKEN has no effect: it is for company 1, which was deleted. Remove the setting.',
    );
  }
  const operatorKey = await keyring.ensure({
    slot: 'operator',
    applicationKey: null,
    text: settings.operatorKey,
  });
  const companyToken =
    company &&
    (await keyring.ensure({
      slot: 'company 1',
      applicationKey: company.key,
      text: settings.companyToken,
    }));
  return { operatorKey, companyToken };
}

/** Settings were checked when they were read. */
function networks(texts: readonly string[]): Networks {
  const parsed = parseNetworks(texts);
  if (!parsed.ok) throw new Error(parsed.problems.join('; '));
  return parsed.networks;
}

function catalogue(now: number): EventType[] {
  return helpDeskCatalogue.map(({ schema, example, ...entry }) => ({
    ...entry,
    schemas: { 1: { ...schema, examples: [example] } },
    archived: false,
    deprecated: false,
    featureFlags: null,
    groupName: null,
    validation: 'off',
    createdAt: now,
    updatedAt: now,
  }));
}

/** Whether `work` ended within the time. */
async function within(work: Promise<void>, timeoutMs: number, clock: Clock): Promise<boolean> {
  let timer: { cancel(): void } | undefined;
  const late = new Promise<false>((resolve) => {
    timer = clock.timer(timeoutMs, () => resolve(false));
  });
  const inTime = await Promise.race([work.then(() => true as const), late]);
  timer?.cancel();
  return inTime;
}
