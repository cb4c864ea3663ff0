import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { type CatalogueEntry, helpDeskCatalogue, type JsonSchema } from './help-desk.ts';

interface User {
  name: string | null;
  role: 'admin' | 'agent' | 'customer';
  agent: boolean;
  picture: Record<string, string>;
}
interface Assignee {
  user?: User;
  team?: { id: number; name: string };
}
interface Ticket {
  replies_count: number;
  agent_replies_count: number;
  comments_count: number;
  created_at: string;
  last_activity_at: string;
  unanswered: boolean;
  archived: boolean;
  spam: boolean;
  trash: boolean;
  current_assignee?: Assignee;
}
interface Payload {
  action_type: string;
  company?: unknown;
  ticket: Ticket;
  agent?: User;
  assignee?: Assignee;
  reply?: { created_at: string; replier: User };
  comment?: { created_at: string; commenter: User };
}

const names = [
  'ticket.created',
  'ticket.updated',
  'ticket.archived',
  'ticket.unarchived',
  'ticket.trashed',
  'ticket.spammed',
  'ticket.assigned.to.user',
  'ticket.assigned.to.team',
  'ticket.unassigned.from.user',
  'ticket.unassigned.from.team',
  'agent.reply.created',
  'customer.reply.created',
  'comment.created',
];

/** The reference table: what each payload carries beside `action_type`, `company` and `ticket`. */
const besideTicket: Record<string, readonly string[]> = {
  'ticket.created': [],
  'ticket.updated': [],
  'ticket.archived': ['agent'],
  'ticket.unarchived': ['agent'],
  'ticket.trashed': ['agent'],
  'ticket.spammed': ['agent'],
  'ticket.assigned.to.user': ['agent', 'assignee'],
  'ticket.assigned.to.team': ['agent', 'assignee'],
  'ticket.unassigned.from.user': ['agent', 'assignee'],
  'ticket.unassigned.from.team': ['agent', 'assignee'],
  'agent.reply.created': ['reply'],
  'customer.reply.created': ['reply'],
  'comment.created': ['comment'],
};

function compile(schema: JsonSchema): ValidateFunction {
  const ajv = new Ajv({ strict: true, strictRequired: true, allErrors: true, validateSchema: true });
  addFormats.default(ajv);
  return ajv.compile(schema);
}

/** A copy of the example that a test may change. */
function bodyOf(entry: CatalogueEntry): { payload: Payload } {
  return structuredClone(entry.example) as unknown as { payload: Payload };
}

function payloadOf(name: string): Payload {
  const entry = helpDeskCatalogue.find((candidate) => candidate.name === name);
  if (entry === undefined) throw new Error(`no ${name} in the catalogue`);
  return bodyOf(entry).payload;
}

/** Every value of a JSON tree, with the property or index it stands under. */
function* walk(value: unknown, key = ''): Generator<{ key: string; value: unknown }> {
  yield { key, value };
  if (typeof value !== 'object' || value === null) return;
  for (const [childKey, child] of Object.entries(value)) yield* walk(child, childKey);
}

describe('help-desk catalogue', () => {
  it('has exactly the 13 action types, in the order of the reference', () => {
    expect(helpDeskCatalogue.map((entry) => entry.name)).toEqual(names);
  });

  it('describes each action by a sentence of its own', () => {
    const descriptions = helpDeskCatalogue.map((entry) => entry.description);
    expect(new Set(descriptions).size).toBe(names.length);
    for (const description of descriptions) expect(description).toMatch(/^[A-Z].+\.$/);
  });

  it('cannot be changed by whoever reads it', () => {
    for (const { value } of walk(helpDeskCatalogue)) expect(Object.isFrozen(value)).toBe(true);
  });
});

describe.each(helpDeskCatalogue)('$name', (entry) => {
  const validate = compile(entry.schema);
  const isValid = (body: unknown) => validate(body);

  it('has an example that is valid by its schema', () => {
    isValid(entry.example);
    expect(validate.errors).toBeNull();
  });

  it('refuses every other action type', () => {
    for (const other of [...names.filter((name) => name !== entry.name), 'ticket.unknown']) {
      const body = bodyOf(entry);
      body.payload.action_type = other;
      expect(isValid(body), other).toBe(false);
    }
  });

  it.each(['action_type', 'company', 'ticket', ...(besideTicket[entry.name] ?? [])])('requires %s', (key) => {
    const body = bodyOf(entry);
    delete (body.payload as unknown as Record<string, unknown>)[key];
    expect(isValid(body)).toBe(false);
  });

  it('requires the payload', () => {
    expect(isValid({})).toBe(false);
    expect(isValid(bodyOf(entry).payload)).toBe(false);
  });

  it('refuses a wrong role, address, time and link', () => {
    const wrong = [
      ['requester', 'role', 'owner'],
      ['requester', 'email', 'not an address'],
      ['created_at', '', 'yesterday'],
      ['url', '', 'not a link'],
    ] as const;
    for (const [field, inner, value] of wrong) {
      const body = bodyOf(entry);
      const ticket = body.payload.ticket as unknown as Record<string, unknown>;
      if (inner === '') ticket[field] = value;
      else (ticket[field] as Record<string, unknown>)[inner] = value;
      expect(isValid(body), `${field} ${inner}`).toBe(false);
    }
  });

  it('accepts fields it does not know, at every level', () => {
    const body = bodyOf(entry);
    for (const { value } of [...walk(body)]) {
      const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
      if (isObject) Object.assign(value, { added_later: { any: 'thing' } });
    }
    expect(isValid(body)).toBe(true);
  });

  it('accepts a requester without a name and a ticket without an assignee', () => {
    const body = bodyOf(entry);
    Object.assign(body.payload.ticket, { requester: { ...payloadOf('ticket.spammed').agent, name: null } });
    delete body.payload.ticket.current_assignee;
    expect(isValid(body)).toBe(true);
  });

  it('has a draft-07 schema of its own, with only the definitions it uses', () => {
    expect(entry.schema).toMatchObject({
      $schema: 'http://json-schema.org/draft-07/schema#',
      title: entry.name,
      description: entry.description,
      type: 'object',
    });
    const references = [...walk(entry.schema)].filter(({ key }) => key === '$ref').map(({ value }) => value);
    const defined = Object.keys(entry.schema.definitions as object).map((name) => `#/definitions/${name}`);
    expect(new Set(references)).toEqual(new Set(defined));
  });

  it('describes every field', () => {
    for (const { key, value } of walk(entry.schema)) {
      if (key !== 'properties') continue;
      for (const [field, schema] of Object.entries(value as Record<string, JsonSchema>)) {
        expect(schema.description, field).toMatch(/^[A-Z0-9].+\.$/);
      }
    }
  });

  it('carries beside the ticket what the reference table says, and nothing else', () => {
    const expected = ['action_type', 'company', 'ticket', ...(besideTicket[entry.name] ?? [])];
    expect(Object.keys(bodyOf(entry).payload)).toEqual(expected);
    const payloadSchema = (entry.schema.properties as Record<string, JsonSchema>).payload;
    expect(payloadSchema?.required).toEqual(expected);
    expect(Object.keys(payloadSchema?.properties as object)).toEqual(expected);
  });

  it('writes every time in UTC to the second', () => {
    const times = [...walk(entry.example)].filter(({ key }) => key.endsWith('_at'));
    expect(times.length).toBeGreaterThanOrEqual(2);
    for (const { key, value } of times) expect(value, key).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });

  it('has addresses and links under example.com only', () => {
    const json = JSON.stringify(entry.example);
    const hosts = [...json.matchAll(/(?:@|:\/\/)([^/"\s?<]+)/g)].map((match) => match[1]);
    expect(hosts.length).toBeGreaterThan(8);
    for (const host of hosts) expect(host).toMatch(/^(?:[a-z0-9-]+\.)*example\.com$/);
  });

  it('has a picture in every size for each user, and the agent flag of their role', () => {
    const users = [...walk(entry.example)]
      .map(({ value }) => value as User | null)
      .filter((value) => value?.role);
    expect(users.length).toBeGreaterThan(0);
    for (const user of users) {
      expect(user?.agent).toBe(user?.role !== 'customer');
      expect(Object.keys(user?.picture ?? {})).toEqual(
        ['20', '24', '32', '48', '64', '128'].map((size) => `thumb${size}`),
      );
    }
  });

  it('has a ticket that agrees with itself and with the action', () => {
    const { ticket } = bodyOf(entry).payload;
    expect(ticket.archived).toBe(entry.name === 'ticket.archived');
    expect(ticket.trash).toBe(entry.name === 'ticket.trashed');
    expect(ticket.spam).toBe(entry.name === 'ticket.spammed');
    expect(ticket.agent_replies_count).toBeLessThanOrEqual(ticket.replies_count);
    expect(ticket.last_activity_at >= ticket.created_at).toBe(true);
    const isQuiet = ticket.replies_count + ticket.comments_count === 0;
    expect(ticket.last_activity_at === ticket.created_at).toBe(isQuiet);
  });
});

describe('who did what in the examples', () => {
  it.each(['user', 'team'] as const)('assigns to a %s, and takes back', (kind) => {
    const assigned = payloadOf(`ticket.assigned.to.${kind}`);
    expect(Object.keys(assigned.assignee ?? {})).toEqual([kind]);
    expect(assigned.ticket.current_assignee?.[kind]).toEqual(assigned.assignee?.[kind]);
    const unassigned = payloadOf(`ticket.unassigned.from.${kind}`);
    expect(Object.keys(unassigned.assignee ?? {})).toEqual([kind]);
    expect(unassigned.ticket.current_assignee?.[kind]).toBeUndefined();
  });

  it.each(['user', 'team'] as const)(
    'refuses an assignment to a %s with the other kind of assignee',
    (kind) => {
      const other = kind === 'user' ? 'team' : 'user';
      for (const change of ['assigned.to', 'unassigned.from']) {
        const entry = helpDeskCatalogue.find(({ name }) => name === `ticket.${change}.${kind}`);
        const { assignee } = payloadOf(`ticket.${change}.${other}`);
        const body = bodyOf(entry as CatalogueEntry);
        Object.assign(body.payload, { assignee });
        expect(compile((entry as CatalogueEntry).schema)(body)).toBe(false);
      }
    },
  );

  it('lets only agents and admins act on tickets', () => {
    const actors = names.map((name) => payloadOf(name).agent).filter((agent) => agent !== undefined);
    expect(actors).toHaveLength(8);
    expect(actors.map((agent) => agent.agent)).not.toContain(false);
  });

  it('counts the reply just written, and says who waits for whom', () => {
    const agents = payloadOf('agent.reply.created');
    expect(agents.reply?.replier.agent).toBe(true);
    expect(agents.ticket.agent_replies_count).toBeGreaterThan(0);
    expect(agents.ticket.unanswered).toBe(false);
    const customers = payloadOf('customer.reply.created');
    expect(customers.reply?.replier.agent).toBe(false);
    expect(customers.ticket.replies_count).toBeGreaterThan(customers.ticket.agent_replies_count);
    expect(customers.ticket.unanswered).toBe(true);
    for (const { reply, ticket } of [agents, customers])
      expect(ticket.last_activity_at).toBe(reply?.created_at);
  });

  it('counts the comment just written', () => {
    const { comment, ticket } = payloadOf('comment.created');
    expect(comment?.commenter.agent).toBe(true);
    expect(ticket.comments_count).toBeGreaterThan(0);
    expect(ticket.last_activity_at).toBe(comment?.created_at);
  });
});
