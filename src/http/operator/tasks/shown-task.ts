import type { Static } from 'typebox';
import { ApiError } from '../../../errors.ts';
import type { Endpoint } from '../../../model/endpoint.ts';
import type { Task } from '../../../model/task.ts';
import type { RegisteredApplication } from '../../../registry/registry.ts';
import type { HttpServices } from '../../services.ts';
import type { TaskOut } from '../schemas/task.ts';
import { isOfHeld, taskOut } from './task-out.ts';

/** A task with the names of its application and endpoints, as far as they are still there. */
export async function shownTask(
  { registry, reader }: Pick<HttpServices, 'registry' | 'reader'>,
  task: Task,
): Promise<Static<typeof TaskOut>> {
  const owner = await ownerOf(task, registry);
  const source = owner?.endpointByKey(task.sourceKey)?.endpoint ?? null;
  return taskOut(task, { owner, progress: await progressOf(task, { owner, source, reader }) });
}

/** The part that was looked at: of the messages from the first to the last of its range, or of what was held. */
async function progressOf(
  task: Task,
  about: { owner: RegisteredApplication | null; source: Endpoint | null; reader: HttpServices['reader'] },
): Promise<number> {
  const { owner, source, reader } = about;
  if (task.state === 'finished') return 1;
  if (owner === null) return 0;
  if (!isOfHeld(task)) return reader.partBefore(owner.application, task);
  if (source === null || task.scanned === 0) return 0;
  // What it looked at and left is still held.
  const left = (await reader.openCounts(source)).held - (task.scanned - task.affected);
  return task.scanned / (task.scanned + Math.max(0, left));
}

async function ownerOf(
  { applicationKey }: Task,
  registry: HttpServices['registry'],
): Promise<RegisteredApplication | null> {
  try {
    return await registry.withEndpoints(applicationKey);
  } catch (error) {
    if (error instanceof ApiError && error.code === 'not_found') return null;
    throw error;
  }
}
