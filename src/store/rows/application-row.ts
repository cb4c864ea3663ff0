import type { Application } from '../../model/application.ts';

const NUMBER = /^[1-9]\d{0,14}$/;

export interface ApplicationRow {
  application_key: number;
  id: string;
  number: number;
  uid: string | null;
  name: string;
  throttle_rate: number | null;
  /** JSON. */
  metadata: string;
  created_at: number;
  updated_at: number;
  /** A driver that keeps none has no such column. */
  revision?: number;
}

export function application(row: ApplicationRow): Application {
  return {
    key: row.application_key,
    id: row.id,
    number: row.number,
    uid: row.uid,
    name: row.name,
    throttleRate: row.throttle_rate,
    metadata: JSON.parse(row.metadata),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    revision: row.revision ?? 0,
  };
}

/** The number that this is, as an application's number is written; null: it is none. */
export function numberOf(ref: string): number | null {
  return NUMBER.test(ref) ? Number(ref) : null;
}
