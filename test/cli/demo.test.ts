import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { posthorn, temporaryFolder } from './command.ts';

test('the demo shows the whole way of a webhook, ends by itself and leaves nothing behind', async () => {
  const folder = temporaryFolder();
  // Settings of the machine are none of its business.
  const { code, stdout, stderr } = await posthorn(['demo'], { TMPDIR: folder, POSTHORN_LISTEN: 'nonsense' })
    .ended;
  expect(stderr).toBe('');
  expect(code).toBe(0);

  expect(stdout).toMatch(/curl '\S+\/web_hooks\.json\?auth_token=\S+' -d '\{"web_hook"/);
  expect(stdout).toMatch(/201 \{"web_hook":\{"id":"1_\d{14}"/);
  expect(stdout).toMatch(/curl \S+\/endpoint\/1_\d{14}\/secret/);
  for (const eventType of ['ticket.created', 'agent.reply.created', 'comment.created']) {
    expect(stdout).toContain(`publishes ${eventType}.`);
    expect(stdout).toContain(`"action_type":"${eventType.slice(0, 5)}`);
  }
  expect(stdout.match(/^\+ *\d+\.\d{3} s {2}202 \{"id":"msg_/gm)).toHaveLength(3);
  expect(stdout.match(/webhook-signature v1,\S{44} {2}signature verified$/gm)).toHaveLength(4);
  expect(stdout.match(/answers 500$/gm)).toHaveLength(1);
  expect(stdout.match(/answers 200$/gm)).toHaveLength(3);
  // The retry comes last, under the id of the first try.
  const ids = [...stdout.matchAll(/webhook-id (msg_\w+)/g)].map(([, id]) => id);
  expect(ids).toHaveLength(4);
  expect(ids[3]).toBe(ids[0]);
  expect(stdout).toMatch(/retry planned for \S+Z, in [01]\.\d{3} s/);
  expect(stdout).toMatch(/ticket\.created +attempt 1 {2}500 fail in \d+ ms/);
  expect(stdout).toMatch(/ticket\.created +attempt 2 {2}200 success in \d+ ms/);
  expect(stdout).toMatch(/^Done in .* 3 events published, 4 deliveries, 1 failure, 1 retry/m);
  expect(stdout).not.toContain('\x1b[');
  expect(readdirSync(folder)).toEqual([]);
});

test('a demo that cannot run says why and does not end with 0', async () => {
  const { code, stderr } = await posthorn(['demo'], { TMPDIR: join(temporaryFolder(), 'absent') }).ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^posthorn: The demo can't make its folder .* Set TMPDIR to a folder that is writable\.\n$/,
  );
});

test('a demo that is broken off leaves nothing behind', async () => {
  const folder = temporaryFolder();
  const demo = posthorn(['demo'], { TMPDIR: folder });
  await demo.printed(/temporary Posthorn starts/);
  expect(readdirSync(folder)).toHaveLength(1);
  demo.signal('SIGINT');
  expect((await demo.ended).code).toBe(130);
  expect(readdirSync(folder)).toEqual([]);
});
