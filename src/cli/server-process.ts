import type { Logger } from 'pino';
import { type RunningApp, startApp } from '../app.ts';
import type { Clock } from '../model/clock.ts';
import type { MasterKey } from '../model/sealed.ts';
import type { Settings } from '../settings.ts';
import { systemClock } from '../system/clock.ts';
import { explainStartupError } from './startup-error.ts';

/**
 * One Ctrl-C reaches a process started by npm several times: from the terminal, from npm and from npm's script.
 * Only a signal after this time is a second wish.
 */
const SAME_SIGNAL_MS = 500;
/** A close that takes this much longer than the grace period hangs; the process ends without it. */
const CLOSE_OVERDUE_MS = 5_000;

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
type StopSignal = keyof typeof EXIT_CODES;

/** Starts the server and runs it until a signal or a broken store ends it. Returns the process's exit code. */
export async function runServer(params: {
  settings: Settings;
  masterKey: MasterKey;
  log: Logger;
  /** Tells the person or program that started it that it is ready. */
  announce: (app: RunningApp) => void;
}): Promise<number> {
  const { settings, masterKey, log, announce } = params;
  const signal = firstSignal(systemClock);
  let app: RunningApp;
  try {
    app = await startApp({ settings, masterKey, log });
  } catch (error) {
    throw explainStartupError(error, settings);
  }
  announce(app);
  const end = await Promise.race([signal, app.failed]);
  if (typeof end === 'string') {
    process.stderr.write(drainHint(settings.shutdownGraceMs));
    log.info(
      { signal: end },
      'stopping: what is under way is finished, the rest goes out after the next start',
    );
  } else {
    log.fatal({ err: end }, 'the store is broken: Posthorn stops');
    process.stderr.write(
      `posthorn: The store is broken (${end.message}). What was answered 202 before is kept. Check the disk under ${settings.dataFolder}, then start again.\n`,
    );
  }
  await closed(app, settings, log);
  return typeof end === 'string' ? 0 : 1;
}

function drainHint(graceMs: number): string {
  return graceMs === 0
    ? ''
    : `posthorn: Draining, up to ${graceMs / 1000} s: deliveries under way are finished. Press Ctrl-C again to end at once.\n`;
}

/** Resolves at the first SIGTERM or SIGINT; the second ends the process at once. */
function firstSignal(clock: Clock): Promise<StopSignal> {
  return new Promise((resolve) => {
    let firstAt: number | null = null;
    const take = (signal: StopSignal) => {
      if (firstAt === null) {
        firstAt = clock.monotonic();
        resolve(signal);
      } else if (clock.monotonic() - firstAt > SAME_SIGNAL_MS) {
        process.stderr.write(
          'posthorn: Stopped at once. What was under way goes out again after the next start.\n',
        );
        process.exit(EXIT_CODES[signal]);
      }
    };
    process.on('SIGTERM', take);
    process.on('SIGINT', take);
  });
}

async function closed(app: RunningApp, settings: Settings, log: Logger): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = systemClock.timer(settings.shutdownGraceMs + CLOSE_OVERDUE_MS, () => {
      log.error(
        'stopping takes too long: Posthorn ends without waiting; nothing that was answered 202 is lost',
      );
      resolve();
    });
    app
      .close()
      .finally(() => timer.cancel())
      .then(resolve, reject);
  });
  log.info('stopped');
}
