import type { Static } from 'typebox';
import { heldReason } from '../../../model/endpoint.ts';
import { timeOfId } from '../../../model/id.ts';
import type { Task, TaskKind } from '../../../model/task.ts';
import type { RegisteredApplication } from '../../../registry/registry.ts';
import { timeText } from '../message-out.ts';
import type { TASK_NAMES, TaskOut } from '../schemas/task.ts';

/** The kinds in the words of the protocol, and others like these. */
const NAMES = {
  recover: 'endpoint.recover',
  'replay-missing': 'endpoint.replay',
  replay: 'endpoint.bulk-replay',
  release: 'endpoint.release',
  discard: 'endpoint.discard',
} as const satisfies Record<TaskKind, (typeof TASK_NAMES)[number]>;

/** The kind with this name, or null. */
export function kindOf(name: string): TaskKind | null {
  return (Object.keys(NAMES) as TaskKind[]).find((kind) => NAMES[kind] === name) ?? null;
}

/** Whether a task is about all that is held, and not about a range of time. */
export function isOfHeld({ kind }: Task): boolean {
  return kind === 'release' || kind === 'discard';
}

/** `owner`: the task's application, null when it was deleted. */
export function taskOut(
  task: Task,
  { owner, progress }: { owner: RegisteredApplication | null; progress: number },
): Static<typeof TaskOut> {
  const source = owner?.endpointByKey(task.sourceKey)?.endpoint ?? null;
  const target = owner?.endpointByKey(task.targetKey)?.endpoint ?? null;
  const waits = task.state === 'running' && task.kind !== 'discard' && target !== null;
  return {
    id: task.id,
    status: task.state,
    task: NAMES[task.kind],
    data: {
      applicationId: owner?.application.id ?? null,
      endpointId: source?.id ?? null,
      targetEndpointId: target?.id ?? null,
      since: isOfHeld(task) ? null : timeText(timeOf(task.from)),
      until: isOfHeld(task) ? null : timeText(timeOf(task.to)),
      scanned: task.scanned,
      affected: task.affected,
      progress: Math.floor(progress * 1_000) / 1_000,
      rate: task.rate,
      waiting: waits ? heldReason(target) : null,
    },
    createdAt: timeText(task.createdAt),
    updatedAt: timeText(task.updatedAt),
  };
}

function timeOf(messageId: string): number {
  return timeOfId(messageId, 'msg') ?? 0;
}
