import { deepFreeze } from './deep-freeze.ts';
import { helpDeskExamples } from './help-desk-examples.ts';
import { type BesideTicket, helpDeskSchema, type JsonSchema } from './help-desk-schemas.ts';

export type { JsonSchema } from './help-desk-schemas.ts';

/** One action type as a new installation knows it before anybody has changed anything. */
export interface CatalogueEntry {
  readonly name: string;
  /** One sentence: when this is sent. */
  readonly description: string;
  /** JSON Schema, draft-07, of the whole body; clients get it as it is. */
  readonly schema: JsonSchema;
  /** A body that is valid by the schema; also what a test delivery carries. */
  readonly example: Record<string, unknown>;
}

function entry(
  name: keyof typeof helpDeskExamples,
  description: string,
  ...beside: readonly BesideTicket[]
): CatalogueEntry {
  const schema = helpDeskSchema({ actionType: name, description, beside });
  return { name, description, schema, example: helpDeskExamples[name] };
}

/** All help-desk action types, in reading order: first a ticket's life, then what is said in it. */
export const helpDeskCatalogue: readonly CatalogueEntry[] = deepFreeze([
  entry('ticket.created', 'A customer or an agent has opened a ticket.'),
  entry('ticket.updated', 'The subject, labels or another field of a ticket has changed.'),
  entry('ticket.archived', 'An agent has moved a ticket to the archive.', 'agent'),
  entry('ticket.unarchived', 'An agent has brought a ticket back from the archive.', 'agent'),
  entry('ticket.trashed', 'An agent has put a ticket in the trash.', 'agent'),
  entry('ticket.spammed', 'An agent has marked a ticket as spam.', 'agent'),
  entry('ticket.assigned.to.user', 'A ticket has been given to a user.', 'agent', 'assigneeUser'),
  entry('ticket.assigned.to.team', 'A ticket has been given to a team.', 'agent', 'assigneeTeam'),
  entry('ticket.unassigned.from.user', 'A ticket has been taken from a user.', 'agent', 'assigneeUser'),
  entry('ticket.unassigned.from.team', 'A ticket has been taken from a team.', 'agent', 'assigneeTeam'),
  entry('agent.reply.created', 'An agent has replied to a customer.', 'reply'),
  entry('customer.reply.created', 'A customer has replied in a ticket.', 'reply'),
  entry('comment.created', 'An agent has written an internal comment on a ticket.', 'comment'),
]);
