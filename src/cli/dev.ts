import { pino } from 'pino';
import type { Settings } from '../settings.ts';
import { systemRandom } from '../system/random.ts';
import { version } from '../version.ts';
import { prepareDataFolder } from './data-folder.ts';
import { type DevelopmentKeys, developmentKeys } from './development-keys.ts';
import { logLines } from './log-lines.ts';
import { paint } from './paint.ts';
import { runServer } from './server-process.ts';
import { curl, dialled } from './shell.ts';

/** `posthorn dev`, which is what `npm start` runs: everything on standard output, for people. */
export function dev(given: Settings, options: { newKeys: boolean }): Promise<number> {
  const log = pino(
    { level: given.logLevel },
    logLines((text) => void process.stdout.write(text)),
  );
  const { masterKey, warnings } = prepareDataFolder({ settings: given, random: systemRandom });
  for (const warning of warnings) log.warn(warning);
  const keys = developmentKeys({ settings: given, random: systemRandom, renew: options.newKeys });
  const settings = Object.freeze({ ...given, ...keys });
  return runServer({
    settings,
    masterKey,
    log,
    announce: ({ url }) => process.stdout.write(welcome(dialled(url), keys, settings.dataFolder)),
  });
}

const RECEIVER_PORT = 9000;
/** Ends at Ctrl-C, needs no file, and runs on whatever Node.js the machine has. */
const RECEIVER =
  "let b='';q.on('data',d=>b+=d).on('end',()=>{console.log(q.headers['webhook-id'],b);s.end('ok')})";

function welcome(base: string, keys: DevelopmentKeys, folder: string): string {
  const hook = `http://127.0.0.1:${RECEIVER_PORT}/hooks`;
  const token = encodeURIComponent(keys.companyToken);
  const create = curl({
    method: 'POST',
    url: `${base}/web_hooks.json?auth_token=${token}`,
    body: JSON.stringify({ web_hook: { url: hook } }),
  });
  const test = curl({
    method: 'POST',
    url: `${base}/web_hooks/test.json?auth_token=${token}`,
    body: JSON.stringify({ action_type: 'ticket.created', url: hook }),
  });
  const payload = {
    payload: { action_type: 'ticket.created', ticket: { id: 1, subject: 'My first ticket' } },
  };
  const publish = curl({
    method: 'POST',
    url: `${base}/api/v1/app/1/msg`,
    key: keys.operatorKey,
    body: JSON.stringify({ eventType: 'ticket.created', payload }),
  });
  const receive = `node -e "require('http').createServer((q,s)=>{${RECEIVER}}).listen(${RECEIVER_PORT})"`;
  const facts = [
    ['Console', `${base}/console/`],
    ['API', base],
    ['API docs', `${base}/docs`],
    ['Operator key', keys.operatorKey],
    ["Company 1's token", keys.companyToken],
    ['Data', folder],
  ] as const;
  return `
${paint('bold', `Posthorn ${version} is ready`)} (development mode)

${facts.map(([name, value]) => `  ${name.padEnd(19)}${paint('cyan', value)}`).join('\n')}

${paint('dim', '# In another terminal, start something that receives:')}
${receive}

${paint('dim', '# Register it as a web hook of company 1, through the Web Hooks API:')}
${create}

${paint('dim', '# Test it:')}
${test}

${paint('dim', '# Publish an action to every web hook of company 1:')}
${publish}

${paint('dim', 'Ctrl-C stops. The whole way of a webhook in a few seconds: posthorn demo (npm run demo)')}

`;
}
