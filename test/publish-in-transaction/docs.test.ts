import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Scene } from './scene.ts';

const page = readFileSync(new URL('../../docs/publishing-in-your-transaction.md', import.meta.url), 'utf8');
const ROLE = 'app_of_the_docs';

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start();
  await scene.given.application({ uid: 'acme' });
  await scene.rows('CREATE TABLE ticket (id bigint, subject text)');
});
afterAll(async () => {
  await scene.rows(`DROP OWNED BY ${ROLE}`);
  await scene.rows(`DROP ROLE ${ROLE}`);
  await scene.end();
});

it('what the page has of SQL runs', async () => {
  const client = await scene.client();
  const blocks = [...page.matchAll(/```sql\n(.*?)```/gs)].map(([, sql]) => sql as string);
  expect(blocks.length).toBeGreaterThan(4);
  for (const block of blocks) {
    // Roles are of the whole server.
    const sql = block.replace('ROLE app ', `ROLE ${ROLE} `).replace("('app')", `('${ROLE}')`);
    const [before, after] = sql.split(/^-- ERROR: +(.*)$/m).filter((_, index) => index !== 1) as [
      string,
      string?,
    ];
    if (after === undefined) {
      await client.query(sql);
      continue;
    }
    const message = /^-- ERROR: +(.*)$/m.exec(sql)?.[1];
    await expect(client.query(before)).rejects.toMatchObject({ message });
    await client.query(after);
  }
  await client.query("INSERT INTO ticket (id, subject) VALUES (4713, 'by a trigger')");
  const messages = await scene.rows<{ event_type: string }>(
    'SELECT event_type FROM posthorn.message WHERE application_key > 0 ORDER BY message_key',
  );
  expect(messages.map((each) => each.event_type)).toEqual([
    'ticket.created',
    'ticket.updated',
    'ticket.closed',
    'ticket.created',
  ]);
});

it('its parameters are those of the function', async () => {
  const [table = ''] = /\| parameter \|.*?\n\n/s.exec(page) ?? [];
  const told = [...table.matchAll(/^\| `(\w+)` \| (.*?) \|/gm)].map(([, name, types]) => [
    name,
    types?.replaceAll('`', ''),
  ]);
  const [row] = await scene.rows<{ names: string[]; types: string[] }>(
    `SELECT proargnames AS names, array(
       SELECT replace(format_type(t, NULL), 'timestamp with time zone', 'timestamptz') FROM unnest(proargtypes) AS t) AS types
     FROM pg_proc WHERE proname = 'publish' AND 'text'::regtype = proargtypes[2]`,
  );
  const wanted = row?.names.map((name, index) => [
    name,
    name === 'payload' ? 'text, json, jsonb' : row.types[index],
  ]);
  expect(told).toEqual(wanted);
});
