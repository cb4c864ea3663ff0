import type { Session } from '../api/client.ts';

/** One name for each thing, by who reads it: a company knows web hooks and actions, an operator endpoints and event types. */
const company = {
  hook: 'web hook',
  Hook: 'Web hook',
  hooks: 'web hooks',
  Hooks: 'Web Hooks',
  type: 'action',
  Type: 'Action',
  types: 'actions',
  Types: 'Actions',
  application: 'company',
  Application: 'Company',
};
export type Words = typeof company;

const operator: Words = {
  hook: 'endpoint',
  Hook: 'Endpoint',
  hooks: 'endpoints',
  Hooks: 'Endpoints',
  type: 'event type',
  Type: 'Event type',
  types: 'event types',
  Types: 'Event types',
  application: 'application',
  Application: 'Application',
};

export const WORDS: Readonly<Record<Session['role'], Words>> = { company, operator };

/** `3 web hooks`, `1 web hook`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}
