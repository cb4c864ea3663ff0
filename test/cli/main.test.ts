import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { settingList } from '../../src/settings.ts';
import { posthorn } from './command.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

const COMMANDS = ['serve', 'dev', 'demo', 'keys', 'migrate', 'export', 'import', 'nodes', 'version'];

test.each([['version'], ['--version'], ['-v']])('posthorn %s prints the version', async (word) => {
  expect(await posthorn([word]).ended).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
});

test('posthorn alone explains itself', async () => {
  const alone = await posthorn([]).ended;
  expect(alone.code).toBe(0);
  for (const word of [...COMMANDS, 'Examples:']) expect(alone.stdout).toContain(word);
  expect(await posthorn(['--help']).ended).toEqual(alone);
});

test.each(COMMANDS.map((name) => [name]))('posthorn %s --help has an example', async (name) => {
  const { code, stdout } = await posthorn([name, '--help']).ended;
  expect(code).toBe(0);
  expect(stdout).toMatch(new RegExp(`Examples?:\\n  posthorn ${name}`));
});

test('the help of serve has every setting', async () => {
  const { stdout } = await posthorn(['help', 'serve']).ended;
  for (const { flag, env } of settingList) {
    expect(stdout).toContain(flag);
    expect(stdout).toContain(env);
  }
});

test.each([
  [['serv'], /unknown command 'serv'\n\(Did you mean serve\?\)/],
  [['serve', '--lisen', '1'], /unknown option '--lisen'\n\(Did you mean --listen\?\)/],
  [['serve', 'here'], /too many arguments for 'serve'/],
  [['serve', '--listen'], /'--listen <host:port>' argument missing/],
])('posthorn %j is refused with 2', async (args, says) => {
  const { code, stdout, stderr } = await posthorn(args).ended;
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^posthorn: /);
  expect(stderr).toMatch(says);
});

test('a Node.js that is too old gets an explanation', async () => {
  const pretend = "Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.19.0'}})";
  const old = ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`];
  const { code, stderr } = await posthorn(['version'], {}, old).ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(/^Posthorn needs Node\.js 22\.18 or newer; this is 20\.19\.0\.\n/);
});
