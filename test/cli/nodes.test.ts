import { expect, onTestFinished, test } from 'vitest';
import { testDatabase } from '../helpers/postgres.ts';
import { posthorn, temporaryFolder } from './command.ts';

test('the servers on a database are listed, with what is known of each', async () => {
  const database = await testDatabase();
  onTestFinished(() => database.dispose());
  const env = { POSTHORN_STORE: database.url };
  const nodes = async (...args: string[]) => {
    const { code, stdout, stderr } = await posthorn(['nodes', ...args], env).ended;
    expect([code, stderr]).toEqual([0, '']);
    return stdout;
  };
  expect(await nodes()).toBe('No server runs on this database.\n');
  expect(await nodes('--json')).toBe('[]\n');

  const server = posthorn(['serve', '--listen', '127.0.0.1:0', '--data', temporaryFolder()], {
    ...env,
    POSTHORN_MASTER_KEY: Buffer.alloc(32, 5).toString('base64'),
  });
  await server.printed(/is ready/);
  const [live] = JSON.parse(await nodes('--json'));
  expect(live).toEqual({
    ...{ epoch: expect.any(Number), name: expect.any(String), state: 'live' },
    leaseMs: 15_000,
    ...{ startedAt: expect.stringMatching(/^\d{4}-.*Z$/), beatAt: expect.stringMatching(/^\d{4}-.*Z$/) },
  });
  server.signal('SIGTERM');
  await server.ended;

  await database.query(
    `INSERT INTO posthorn.node (epoch, name, beat_at, expires_at, ended) VALUES
       (1001, 'quiet', now() - interval '1 minute', now() - interval '35 seconds', 0),
       (1002, E'gone\\n', now() - interval '1 minute', now() - interval '35 seconds', 1),
       (1003, 'here', now(), now() + interval '25 seconds', 0), (1004, 'stopped', now(), 'infinity', 1)`,
  );
  const lines = (await nodes()).trimEnd().split('\n');
  expect(lines[0]).toMatch(/^EPOCH +NAME +SINCE +LAST BEAT +LEASE +STATE$/);
  const last = lines.slice(-4);
  expect(last[0]).toMatch(
    /^1001 +quiet +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ +.*Z \(\d+ s ago\) +30 s +silent: its lease is over$/,
  );
  expect(last[1]).toMatch(
    /^1002 +gone\S* +.* 30 s +ended: it was not heard of, and others take over what it had$/,
  );
  expect(last[2]).toMatch(/^1003 +here +.* 30 s +live$/);
  expect(last[3]).toMatch(/^1004 +stopped +.* - +left: it was stopped$/);

  // Of those that are live.
  await database.query(
    "INSERT INTO posthorn.node (epoch, name, expires_at) VALUES (1005, 'long', clock_timestamp() + interval '250 seconds')",
  );
  expect((await nodes()).trimEnd().split('\n').at(-1)).toMatch(
    /^The live nodes have different leases. Set POSTHORN_NODE_LEASE to the same on all/,
  );
});

test('a database without a schema, and a file, have no nodes', async () => {
  const database = await testDatabase({ empty: true });
  onTestFinished(() => database.dispose());
  const none = await posthorn(['nodes'], { POSTHORN_STORE: database.url }).ended;
  expect([none.code, none.stdout]).toEqual([0, 'No server was ever started on this database.\n']);
  const file = await posthorn(['nodes'], { POSTHORN_DATA: temporaryFolder() }).ended;
  expect([file.code, file.stdout]).toEqual([
    0,
    expect.stringMatching(/^The store is SQLite: one server at a time uses it/),
  ]);
  const absent = await posthorn(['nodes'], { POSTHORN_STORE: 'postgres://postgres@127.0.0.1:1/none' }).ended;
  expect([absent.code, absent.stderr]).toEqual([
    1,
    expect.stringMatching(/^posthorn: The database none on 127\.0\.0\.1:1 can't be used/),
  ]);
});
