/**
 * JSON Schemas (draft-07) of what a help desk sends. One envelope for all actions:
 *
 *     { "payload": { "action_type", "company", "ticket", … } }
 *
 * No object is closed: a help desk adds fields over time, and a new one must not turn a good message away.
 */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** What an action carries in its payload beside the ticket. */
export type BesideTicket = 'reply' | 'comment' | 'agent' | 'assigneeUser' | 'assigneeTeam';

type DefinitionName =
  | 'picture'
  | 'user'
  | 'team'
  | 'attachment'
  | 'content'
  | 'label'
  | 'ticket'
  | 'reply'
  | 'comment';

const text = (description: string): JsonSchema => ({ type: 'string', description });
const flag = (description: string): JsonSchema => ({ type: 'boolean', description });
const count = (description: string): JsonSchema => ({ type: 'integer', minimum: 0, description });
const identifier = (description: string): JsonSchema => ({ type: 'integer', description });
const uri = (description: string): JsonSchema => ({ type: 'string', format: 'uri', description });
const email = (description: string): JsonSchema => ({ type: 'string', format: 'email', description });

const time = (description: string): JsonSchema => ({
  type: 'string',
  format: 'date-time',
  description: `${description} ISO 8601, UTC, to the second.`,
});

/** Draft-07 ignores what stands beside `$ref`, so the description goes around it. */
const reference = (name: DefinitionName, description: string): JsonSchema => ({
  description,
  allOf: [{ $ref: `#/definitions/${name}` }],
});

const listOf = (name: DefinitionName, description: string): JsonSchema => ({
  type: 'array',
  description,
  items: { $ref: `#/definitions/${name}` },
});

/** Addresses or whole users: clients have seen both. */
const copies = (description: string): JsonSchema => ({
  type: 'array',
  description,
  items: { anyOf: [email('An address.'), { $ref: '#/definitions/user' }] },
});

/** An open object in which every property is required, but the ones named in `optional`. */
function object(
  description: string,
  properties: Readonly<Record<string, JsonSchema>>,
  optional: readonly string[] = [],
): JsonSchema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', description, ...(required.length > 0 ? { required } : {}), properties };
}

const picture = object('The picture of a person, in each size the help desk keeps.', {
  thumb20: uri('20 by 20 pixels.'),
  thumb24: uri('24 by 24 pixels.'),
  thumb32: uri('32 by 32 pixels.'),
  thumb48: uri('48 by 48 pixels.'),
  thumb64: uri('64 by 64 pixels.'),
  thumb128: uri('128 by 128 pixels.'),
});

const user = object('A person known to the help desk: someone who works there, or a customer.', {
  id: identifier('The number of the user, unique within the company.'),
  email: email('The address the user writes from.'),
  name: { type: ['string', 'null'], description: 'The full name; null when only the address is known.' },
  role: { type: 'string', enum: ['admin', 'agent', 'customer'], description: 'What the user may do.' },
  agent: flag('True for admins and agents, false for customers.'),
  picture: reference('picture', 'The picture shown beside the name.'),
});

const team = object('A group of agents that tickets can be assigned to.', {
  id: identifier('The number of the team, unique within the company.'),
  name: text('The name of the team.'),
});

const attachment = object('A file that came with a message.', {
  id: identifier('The number of the attachment.'),
  created_at: time('When the file was stored.'),
  filename: text('The name the sender gave the file.'),
  content_type: text('The media type of the file, such as image/jpeg; parameters may follow.'),
  url: object(
    'Where to fetch the file.',
    { original: uri('The file as it was sent.'), thumb: uri('A small version, for pictures.') },
    ['thumb'],
  ),
});

const content = object('The body of a message, in both forms.', {
  text: { type: ['string', 'null'], description: 'The message as plain text.' },
  html: {
    type: ['string', 'null'],
    description: 'The message as HTML; null when it came as plain text only.',
  },
  attachments: listOf('attachment', 'The files that came with the message.'),
});

const label = object(
  'A label that the company puts on tickets.',
  { name: text('The name of the label.'), color: text('The color it is shown in, such as #3366cc.') },
  ['color'],
);

const ticketSource = object(
  'The channel the ticket came in by: one property, named after it, with the address it was sent to.',
  { email: email('Sent by mail to this address.'), web: email('Sent by the web form of this address.') },
  ['email', 'web'],
);

const currentAssignee: JsonSchema = {
  ...object(
    'Who works on the ticket now: a user, a team, or a user of a team. Absent while nobody does.',
    { user: reference('user', 'The assigned user.'), team: reference('team', 'The assigned team.') },
    ['user', 'team'],
  ),
  minProperties: 1,
};

const ticket = object(
  'A conversation with a customer, as it is after the action.',
  {
    id: identifier('The number of the ticket, unique within the company.'),
    subject: text('The subject line.'),
    replies_count: count(
      'How many replies there are, from agents and customers; the first message is not one.',
    ),
    agent_replies_count: count('How many of the replies are from agents.'),
    comments_count: count('How many internal comments there are.'),
    last_activity_at: time('When the last message, reply or comment was written.'),
    created_at: time('When the ticket was created.'),
    unanswered: flag('True while the customer waits for an answer.'),
    archived: flag('True when the ticket is done and out of the way.'),
    spam: flag('True when the ticket is marked as spam.'),
    trash: flag('True when the ticket is in the trash.'),
    summary: text('The beginning of the first message, as plain text on one line.'),
    url: uri('The page of the ticket in the help desk.'),
    source: ticketSource,
    cc: copies('Who else gets the messages of the ticket.'),
    labels: listOf('label', 'The labels on the ticket.'),
    requester: reference('user', 'Who opened the ticket.'),
    content: reference('content', 'The first message.'),
    current_assignee: currentAssignee,
  },
  ['current_assignee'],
);

const reply = object('A message in a ticket that the customer and the agents both see.', {
  id: identifier('The number of the reply.'),
  created_at: time('When the reply was written.'),
  summary: text('The beginning of the reply, as plain text on one line.'),
  cc: copies('Who else got this reply.'),
  replier: reference('user', 'Who wrote the reply: an agent or a customer.'),
  content: reference('content', 'The reply itself.'),
});

const comment = object('An internal note on a ticket; the customer never sees it.', {
  id: identifier('The number of the comment.'),
  created_at: time('When the comment was written.'),
  commenter: reference('user', 'Who wrote the comment.'),
  content: reference('content', 'The comment itself.'),
});

const company = object('The company whose help desk this is.', {
  subdomain: text('The first label of the host name of its help desk.'),
  name: text('The name of the company.'),
});

/** What each extra adds to the payload. */
const besideTicket: Readonly<Record<BesideTicket, Readonly<Record<string, JsonSchema>>>> = {
  reply: { reply: reference('reply', 'The reply that was just written.') },
  comment: { comment: reference('comment', 'The comment that was just written.') },
  agent: { agent: reference('user', 'Who did it.') },
  assigneeUser: {
    assignee: object('Whom the ticket was given to, or taken from.', {
      user: reference('user', 'The user.'),
    }),
  },
  assigneeTeam: {
    assignee: object('Which team the ticket was given to, or taken from.', {
      team: reference('team', 'The team.'),
    }),
  },
};

/** Every ticket leads to these; `reply` and `comment` join them in the actions that carry one. */
const ticketDefinitions = { picture, user, team, attachment, content, label, ticket };

/** The self-contained schema of the whole body of one action. */
export function helpDeskSchema(params: {
  actionType: string;
  description: string;
  beside: readonly BesideTicket[];
}): JsonSchema {
  const { actionType, description, beside } = params;
  const extras = Object.assign({}, ...beside.map((name) => besideTicket[name])) as Record<string, JsonSchema>;
  const payload = object('What happened, and to what.', {
    action_type: { type: 'string', const: actionType, description: 'What happened.' },
    company,
    ticket: reference('ticket', 'The ticket it happened to.'),
    ...extras,
  });
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: actionType,
    ...object(description, { payload }),
    definitions: {
      ...ticketDefinitions,
      ...(beside.includes('reply') ? { reply } : {}),
      ...(beside.includes('comment') ? { comment } : {}),
    },
  };
}
