import type { Task, TaskKind, TaskState } from '../../model/task.ts';

export interface TaskRow {
  id: string;
  kind: TaskKind;
  application_key: number;
  source_key: number;
  target_key: number;
  /** JSON. */
  filter: string;
  from_id: string;
  to_id: string;
  position: string;
  rate: number;
  scanned: number;
  affected: number;
  state: TaskState;
  created_at: number;
  updated_at: number;
}

export function task(row: TaskRow): Task {
  return {
    id: row.id,
    kind: row.kind,
    applicationKey: row.application_key,
    sourceKey: row.source_key,
    targetKey: row.target_key,
    filter: JSON.parse(row.filter),
    from: row.from_id,
    to: row.to_id,
    position: row.position,
    rate: row.rate,
    scanned: row.scanned,
    affected: row.affected,
    state: row.state,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
