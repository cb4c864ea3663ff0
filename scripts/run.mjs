// What `npm start`, `npm test` and the other npm scripts run first, on whatever Node.js the machine has: installs the
// dependencies when they are missing or stale, finds a Node.js new enough for Posthorn, and runs the named target with it.
// Kept to the language and library of Node 12, so that an old Node.js still gets as far as replacing itself.

import { spawn, spawnSync } from 'child_process';
import { closeSync, existsSync, openSync, readFileSync, realpathSync, unlinkSync, writeSync } from 'fs';
import { delimiter, dirname, join } from 'path';
import { fileURLToPath } from 'url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const windows = process.platform === 'win32';
const pinnedNode = join(root, 'node_modules', 'node', 'bin', windows ? 'node.exe' : 'node');
const lockFile = join(root, '.posthorn-install.lock');

/** What Node.js is given for each target; further arguments of the command line follow. */
const targets = {
  start: ['bin/posthorn.js', 'dev'],
  demo: ['bin/posthorn.js', 'demo'],
  test: ['node_modules/vitest/vitest.mjs', 'run'],
  check: ['scripts/check.ts'],
  format: ['node_modules/@biomejs/biome/bin/biome', 'check', '--write'],
  docs: ['scripts/generate.ts'],
  build: ['scripts/build.ts'],
  bench: ['bench/run.ts'],
  'bench-postgres': ['bench/postgres.ts'],
  crash: ['bench/crash.ts'],
  'crash-nodes': ['bench/node-faults.ts'],
  'transaction-demo': ['bench/transaction-demo.ts'],
  hell: ['test/hell/main.ts'],
  screenshots: ['test/console/screenshots.ts'],
};

/** Targets that serve the console, test it or check its types: it is built first when something in it has changed. */
const consoleTargets = ['start', 'test', 'check', 'screenshots'];

main(process.argv[2], process.argv.slice(3));

function main(name, args) {
  if (Object.keys(targets).indexOf(name) === -1) {
    fail(`There is no target "${name}". Targets: ${Object.keys(targets).join(', ')}.`);
  }
  const required = minimumVersion();
  let installed = false;
  if (!isInstalled()) {
    install();
    installed = true;
  }
  if (!isLockCurrent())
    say('package.json asks for other versions than package-lock.json has: run "npm install".');
  const node = findNode(required, installed);
  // Node 22 still announces type stripping as experimental, once per process.
  const flags = node.version[0] < 24 ? ['--disable-warning=ExperimentalWarning'] : [];
  if (consoleTargets.indexOf(name) !== -1) buildConsole(node.path, flags);
  run(node.path, flags.concat(targets[name], args));
}

/** Takes 50 ms when it is current. What goes wrong with it does not keep the rest from running, and is told by the check. */
function buildConsole(node, flags) {
  const command = flags.concat(['console/build.ts', '--if-stale']);
  const result = spawnSync(node, command, { cwd: root, stdio: ['ignore', 2, 2] });
  if (result.status !== 0) say('The console could not be built: see above. "npm run build" tries again.');
}

/** Runs Node.js in this terminal, hands signals on to it, and ends the way it ends. */
function run(node, args) {
  const child = spawn(node, args, { cwd: root, stdio: 'inherit', env: pathStartingWith(dirname(node)) });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const forward = (signal) => child.kill(signal);
  signals.forEach((signal) => {
    process.on(signal, forward);
  });
  child.on('error', (error) => fail(`Could not run ${node}: ${error.message}`));
  child.on('exit', (code, signal) => {
    signals.forEach((each) => {
      process.removeListener(each, forward);
    });
    if (signal) process.kill(process.pid, signal);
    else process.exit(code);
  });
}

/**
 * npm writes `node_modules/.package-lock.json` last, so an interrupted installation has none. It lists what is there; compared
 * with the lock file, it also serves those who install with npm themselves.
 */
function isInstalled() {
  const wanted = readJson(join(root, 'package-lock.json'));
  const present = readJson(join(root, 'node_modules', '.package-lock.json'));
  return Boolean(wanted && present) && holds(present.packages, wanted.packages);
}

/** False after package.json was edited by hand. */
function isLockCurrent() {
  const manifest = readJson(join(root, 'package.json'));
  const locked = readJson(join(root, 'package-lock.json')).packages[''];
  const kinds = ['dependencies', 'devDependencies', 'optionalDependencies'];
  return kinds.every((kind) => sameEntries(manifest[kind] || {}, locked[kind] || {}));
}

function sameEntries(one, other) {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

function holds(present, wanted) {
  return Object.keys(wanted).every((path) => {
    if (path.indexOf('node_modules/') !== 0) return true;
    const want = wanted[path];
    const have = present[path];
    // Binaries for other platforms are locked, but not installed here.
    if (!have) return Boolean(want.optional || want.devOptional || want.peer);
    return have.version === want.version && have.integrity === want.integrity;
  });
}

function install() {
  const release = takeInstallLock();
  const command = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  let result = { status: 0 };
  if (!isInstalled()) {
    say('Installing the dependencies (npm ci) …');
    result = quietly('npm', command, root, windows);
  }
  release();
  if (result.error) {
    fail(`Could not run npm (${result.error.message}). Install Node.js with npm, then try again.`);
  }
  if (result.status !== 0) {
    fail(
      'npm ci failed; its own message is above. If package.json was edited by hand, run "npm install" to bring ' +
        'package-lock.json up to date. If the network was the reason, try again.',
    );
  }
}

/** One installation at a time in one folder: the second terminal waits for the first. */
function takeInstallLock() {
  let announced = false;
  for (;;) {
    try {
      const file = openSync(lockFile, 'wx');
      writeSync(file, String(process.pid));
      closeSync(file);
      return () => unlinkIfThere(lockFile);
    } catch (error) {
      if (error.code !== 'EEXIST') fail(`Could not write to ${root}: ${error.message}`);
    }
    if (!isAlive(Number(readText(lockFile)))) {
      unlinkIfThere(lockFile);
      continue;
    }
    if (!announced) say(`Waiting for the installation by process ${readText(lockFile)} (${lockFile}) …`);
    announced = true;
    sleep(300);
  }
}

function isAlive(pid) {
  // An empty file is one that its owner has created and not yet written.
  if (pid === 0) {
    sleep(300);
    pid = Number(readText(lockFile));
  }
  if (!pid || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** The Node.js pinned in package.json, else the machine's own when that is new enough. */
function findNode(required, justInstalled) {
  const own = { path: process.execPath, version: parseVersion(process.versions.node) };
  let pinned = newEnough(pinnedNode, required);
  if (pinned) return pinned;

  const ownSuffices = atLeast(own.version, required);
  if (!ownSuffices || justInstalled) {
    // The package `node` fetches its binary in an install script, which some configurations of npm leave out.
    say('Fetching Node.js …');
    quietly(process.execPath, ['installArchSpecificPackage'], join(root, 'node_modules', 'node'), false);
    pinned = newEnough(pinnedNode, required);
    if (pinned) return pinned;
  }
  if (ownSuffices) {
    if (justInstalled) say(`Using this machine's Node.js ${process.versions.node}.`);
    return own;
  }
  return fail(
    `Posthorn needs Node.js ${required.join('.')} or newer. This is ${process.versions.node}, and the copy that npm should ` +
      'have fetched (the package "node") could not be. Install a newer Node.js, then try again.',
  );
}

function newEnough(path, required) {
  const version = existsSync(path) ? versionOf(path) : undefined;
  return version && atLeast(version, required) ? { path: path, version: version } : undefined;
}

/** The version of the Node.js at `path`, or undefined when it does not run here. */
function versionOf(path) {
  if (realpathSync(path) === realpathSync(process.execPath)) return parseVersion(process.versions.node);
  const result = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 30000 });
  return result.status === 0 ? parseVersion(result.stdout) : undefined;
}

function minimumVersion() {
  const manifest = readJson(join(root, 'package.json'));
  if (!manifest) fail(`Could not read ${join(root, 'package.json')}.`);
  return parseVersion(manifest.engines.node);
}

function parseVersion(text) {
  const numbers = text.match(/\d+/g) || [];
  return [0, 1, 2].map((index) => Number(numbers[index] || 0));
}

function atLeast(version, required) {
  for (let index = 0; index < 3; index += 1) {
    if (version[index] !== required[index]) return version[index] > required[index];
  }
  return true;
}

/** Runs an installer with its output on stderr, and with the machine's own Node.js, as it may replace the pinned one. */
function quietly(command, args, folder, shell) {
  const machinePath = process.env.PATH.split(delimiter).filter(
    (each) => !/[\\/]node_modules[\\/]\.bin$/.test(each),
  );
  const env = Object.assign({}, process.env, { PATH: machinePath.join(delimiter) });
  return spawnSync(command, args, { cwd: folder, stdio: ['ignore', 2, 2], env: env, shell: shell });
}

function pathStartingWith(folder) {
  return Object.assign({}, process.env, { PATH: [folder, process.env.PATH].join(delimiter) });
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (_) {
    return undefined;
  }
}

function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (_) {
    return '';
  }
}

function unlinkIfThere(path) {
  try {
    unlinkSync(path);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
}

function sleep(milliseconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function say(text) {
  process.stderr.write(`posthorn: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
