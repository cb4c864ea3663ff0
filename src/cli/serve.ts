import { pino } from 'pino';
import type { RunningApp } from '../app.ts';
import type { Settings } from '../settings.ts';
import { systemRandom } from '../system/random.ts';
import { version } from '../version.ts';
import { prepareDataFolder } from './data-folder.ts';
import { developmentKeysFile } from './development-keys.ts';
import { runServer } from './server-process.ts';

/** `posthorn serve`: JSON logs on standard output; what is for a person goes to standard error. */
export function serve(settings: Settings): Promise<number> {
  const log = pino({ level: settings.logLevel });
  const { masterKey, warnings } = prepareDataFolder({ settings, random: systemRandom });
  for (const warning of warnings) log.warn(warning);
  const keysFile = developmentKeysFile(settings.dataFolder);
  if (keysFile !== null && (settings.operatorKey === null || settings.companyToken === null)) {
    log.warn(
      `${keysFile} has keys of this server in plain text, from development. Set POSTHORN_OPERATOR_KEY and POSTHORN_COMPANY_TOKEN, and delete it.`,
    );
  }
  const announce = (app: RunningApp) => {
    process.stderr.write(keysOfFirstStart(app));
    process.stderr.write(`Posthorn ${version} is ready: ${app.url}\n`);
    log.info({ url: app.url, version, data: settings.dataFolder }, 'ready');
  };
  return runServer({ settings, masterKey, log, announce });
}

const RULE = '-'.repeat(78);

function keysOfFirstStart({ shownOnce }: RunningApp): string {
  const { operatorKey, companyToken } = shownOnce;
  if (operatorKey === null && companyToken === null) return '';
  return [
    RULE,
    'New keys, shown only this once. Keep them; Posthorn has only their hashes.',
    '',
    ...(operatorKey === null ? [] : [`    Operator key       ${operatorKey}`]),
    ...(companyToken === null ? [] : [`    Company 1's token  ${companyToken}`]),
    '',
    'More keys, and a new one when all are lost: posthorn keys --help',
    RULE,
    '',
  ].join('\n');
}
