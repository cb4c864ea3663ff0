import { expect, test } from 'vitest';
import { testDatabase } from '../../../test/helpers/postgres.ts';
import type { NewTask } from '../../model/task.ts';
import { systemClock } from '../../system/clock.ts';
import { openDatabase } from './connection.ts';
import { openPostgresStore } from './open.ts';
import { insertTask } from './tasks.ts';

test('of the tasks of one application so many are kept: those that run, and of the others the newest', async () => {
  const database = await testDatabase();
  const store = await openPostgresStore({ url: database.url, clock: systemClock });
  const db = openDatabase(database.url);
  const made = (id: string, applicationKey: number) => {
    const place = { applicationKey, sourceKey: 1, targetKey: 1 };
    const task: NewTask = { id, kind: 'discard', ...place, filter: {}, from: 'a', to: 'b', rate: 1, now: 1 };
    return db.transaction((tx) => insertTask(tx, task, 3));
  };
  await made('qtask_0', 1);
  await made('qtask_1', 2);
  for (let index = 2; index < 9; index++) {
    await made(`qtask_${index}`, 1);
    if (index > 2) await store.taskCancel({ id: `qtask_${index}`, now: 1 });
  }
  const left: string[] = [];
  for (let index = 0; index < 9; index++) {
    const id = `qtask_${index}`;
    if ((await store.taskFind({ id })) !== null) left.push(id);
  }
  expect(left).toEqual(['qtask_0', 'qtask_1', 'qtask_2', 'qtask_6', 'qtask_7', 'qtask_8']);
  await db.close();
  await store.close();
  await database.dispose();
});
