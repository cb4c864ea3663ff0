/**
 * One complete body per help-desk action, as a client will receive it. All of them play in one shop, and
 * follow a few tickets through their life, so that two examples side by side tell the same story.
 */
type JsonObject = Record<string, unknown>;
type Role = 'admin' | 'agent' | 'customer';

const company = { subdomain: 'fernhill', name: 'Fernhill Cycles' };
const helpDeskUrl = 'https://fernhill.example.com';
const inbox = 'support@fernhill.example.com';

/** Longest summary of a message, in characters. */
const summaryLengthMax = 80;

const pictureSizes = [20, 24, 32, 48, 64, 128] as const;

function user(id: number, name: string | null, email: string, role: Role): JsonObject {
  const thumb = (size: number) => [`thumb${size}`, `${helpDeskUrl}/pictures/users/${id}/${size}.png`];
  const picture = Object.fromEntries(pictureSizes.map(thumb));
  return { id, email, name, role, agent: role !== 'customer', picture };
}

function attachment(id: number, createdAt: string, filename: string, contentType: string): JsonObject {
  const original = `${helpDeskUrl}/attachments/${id}/${filename}`;
  const url = { original, thumb: `${original}?version=thumb` };
  return { id, created_at: createdAt, filename, content_type: contentType, url };
}

/** The paragraphs are written here without `<`, `>` and `&`, so that they are HTML as they stand. */
function content(paragraphs: readonly string[], attachments: readonly JsonObject[] = []): JsonObject {
  return {
    text: paragraphs.join('\n\n'),
    html: paragraphs.map((paragraph) => `<p>${paragraph}</p>`).join(''),
    attachments,
  };
}

function summary(paragraphs: readonly string[]): string {
  const line = paragraphs.join(' ');
  return line.length <= summaryLengthMax ? line : `${line.slice(0, summaryLengthMax - 1).trimEnd()}…`;
}

interface Message {
  readonly id: number;
  readonly createdAt: string;
  readonly author: JsonObject;
  readonly paragraphs: readonly string[];
  readonly cc?: readonly string[];
  readonly attachments?: readonly JsonObject[];
}

function reply(message: Message): JsonObject {
  return {
    id: message.id,
    created_at: message.createdAt,
    summary: summary(message.paragraphs),
    cc: message.cc ?? [],
    replier: message.author,
    content: content(message.paragraphs, message.attachments),
  };
}

function comment(message: Message): JsonObject {
  return {
    id: message.id,
    created_at: message.createdAt,
    commenter: message.author,
    content: content(message.paragraphs, message.attachments),
  };
}

/** A ticket nobody has touched yet; an example spreads what has happened since over it. */
function newTicket(message: Message & { subject: string; channel: 'email' | 'web' }): JsonObject {
  return {
    id: message.id,
    subject: message.subject,
    replies_count: 0,
    agent_replies_count: 0,
    comments_count: 0,
    last_activity_at: message.createdAt,
    created_at: message.createdAt,
    unanswered: true,
    archived: false,
    spam: false,
    trash: false,
    summary: summary(message.paragraphs),
    url: `${helpDeskUrl}/tickets/${message.id}`,
    source: { [message.channel]: inbox },
    cc: message.cc ?? [],
    labels: [],
    requester: message.author,
    content: content(message.paragraphs, message.attachments),
  };
}

function body(actionType: string, rest: JsonObject): JsonObject {
  return { payload: { action_type: actionType, company, ...rest } };
}

const mara = user(11, 'Mara Okafor', 'mara.okafor@fernhill.example.com', 'admin');
const jonas = user(14, 'Jonas Berg', 'jonas.berg@fernhill.example.com', 'agent');
const priya = user(19, 'Priya Raman', 'priya.raman@fernhill.example.com', 'agent');
const tomas = user(2071, 'Tomas Lind', 'tomas.lind@example.com', 'customer');
const elena = user(2088, 'Elena Duarte', 'elena.duarte@example.com', 'customer');
const henrik = user(1954, 'Henrik Aalto', 'henrik.aalto@example.com', 'customer');
const courier = user(2102, 'Parcel Desk', 'no-reply@parcels.example.com', 'customer');
const stranger = user(2107, null, 'winner-4471@prizes.example.com', 'customer');

const workshop = { id: 3, name: 'Workshop' };
const billing = { id: 5, name: 'Billing' };

const deliveryLabel = { name: 'delivery', color: '#3366cc' };
const invoiceLabel = { name: 'invoice', color: '#2e8b57' };
const urgentLabel = { name: 'urgent', color: '#cc3333' };

const brakeTicket = newTicket({
  id: 4821,
  subject: 'Rear brake squeals after the first service',
  channel: 'email',
  createdAt: '2026-03-09T08:41:27Z',
  author: tomas,
  paragraphs: [
    'Hello, my bike came back from its service on Friday, and now the rear brake squeals when it rains.',
    'I attach a photo of the disc. Is it safe to ride until you can look at it?',
  ],
  attachments: [attachment(9310, '2026-03-09T08:41:25Z', 'rear-disc.jpg', 'image/jpeg')],
});

const addressTicket = newTicket({
  id: 4788,
  subject: 'New delivery address for order 20917',
  channel: 'web',
  createdAt: '2026-03-04T16:05:52Z',
  author: elena,
  cc: ['office@studio-duarte.example.com'],
  paragraphs: ['I am moving next week. Can order 20917 still go to the new address, 8 Mill Lane?'],
});

const invoiceTicket = newTicket({
  id: 4730,
  subject: 'Copy of the February invoice',
  channel: 'email',
  createdAt: '2026-02-27T10:12:03Z',
  author: henrik,
  paragraphs: [
    'Could you send me the February invoice again, with our VAT number on it?',
    'Thank you, Henrik',
  ],
});

const courierTicket = newTicket({
  id: 4802,
  subject: 'Automatic notice: depot closed on 7 March',
  channel: 'email',
  createdAt: '2026-03-06T05:00:11Z',
  author: courier,
  paragraphs: ['This notice was sent automatically. Our depot is closed on 7 March for stocktaking.'],
});

const prizeTicket = newTicket({
  id: 4809,
  subject: 'Your prize is waiting',
  channel: 'web',
  createdAt: '2026-03-07T23:58:40Z',
  author: stranger,
  paragraphs: ['Dear winner, answer today to claim your prize of one million.'],
});

/** Asked and answered: one reply from an agent, thanks from the customer. */
const invoiceAnswered = {
  ...invoiceTicket,
  replies_count: 2,
  agent_replies_count: 1,
  last_activity_at: '2026-02-27T13:30:46Z',
  unanswered: false,
  labels: [invoiceLabel],
};

const brakeAnswer = reply({
  id: 15563,
  createdAt: '2026-03-09T09:20:14Z',
  author: jonas,
  paragraphs: [
    'Hello Tomas, thank you for the photo. There is a little oil on the disc, hence the noise.',
    'Please use the front brake for now, and bring it in tomorrow: we clean it while you wait.',
  ],
});

const brakeThanks = reply({
  id: 15571,
  createdAt: '2026-03-09T11:02:38Z',
  author: tomas,
  cc: ['anna.lind@example.com'],
  paragraphs: [
    'Thank you, that was quick. Does 15:30 suit you? My sister Anna, in copy, will bring the bike.',
  ],
  attachments: [attachment(9324, '2026-03-09T11:02:36Z', 'service-card.png', 'image/png')],
});

const addressComment = comment({
  id: 6042,
  createdAt: '2026-03-05T07:49:30Z',
  author: priya,
  paragraphs: ['The parcel has not left yet. I asked the warehouse to hold it until the address is changed.'],
});

const ticketExamples = {
  'ticket.created': body('ticket.created', { ticket: brakeTicket }),
  'ticket.updated': body('ticket.updated', {
    ticket: {
      ...addressTicket,
      subject: 'Order 20917: deliver to 8 Mill Lane',
      replies_count: 1,
      agent_replies_count: 1,
      comments_count: 1,
      last_activity_at: '2026-03-05T08:15:09Z',
      unanswered: false,
      labels: [deliveryLabel, urgentLabel],
      current_assignee: { user: priya },
    },
  }),
  'ticket.archived': body('ticket.archived', { ticket: { ...invoiceAnswered, archived: true }, agent: mara }),
  'ticket.unarchived': body('ticket.unarchived', { ticket: invoiceAnswered, agent: priya }),
  'ticket.trashed': body('ticket.trashed', { ticket: { ...courierTicket, trash: true }, agent: jonas }),
  'ticket.spammed': body('ticket.spammed', { ticket: { ...prizeTicket, spam: true }, agent: jonas }),
};

const assignmentExamples = {
  'ticket.assigned.to.user': body('ticket.assigned.to.user', {
    ticket: { ...brakeTicket, current_assignee: { team: workshop, user: jonas } },
    agent: mara,
    assignee: { user: jonas },
  }),
  'ticket.assigned.to.team': body('ticket.assigned.to.team', {
    ticket: { ...invoiceTicket, labels: [invoiceLabel], current_assignee: { team: billing } },
    agent: priya,
    assignee: { team: billing },
  }),
  'ticket.unassigned.from.user': body('ticket.unassigned.from.user', {
    ticket: { ...addressTicket, labels: [deliveryLabel] },
    agent: mara,
    assignee: { user: priya },
  }),
  'ticket.unassigned.from.team': body('ticket.unassigned.from.team', {
    ticket: invoiceAnswered,
    agent: mara,
    assignee: { team: billing },
  }),
};

const messageExamples = {
  'agent.reply.created': body('agent.reply.created', {
    ticket: {
      ...brakeTicket,
      replies_count: 1,
      agent_replies_count: 1,
      last_activity_at: brakeAnswer.created_at,
      unanswered: false,
      current_assignee: { team: workshop, user: jonas },
    },
    reply: brakeAnswer,
  }),
  'customer.reply.created': body('customer.reply.created', {
    ticket: {
      ...brakeTicket,
      replies_count: 2,
      agent_replies_count: 1,
      last_activity_at: brakeThanks.created_at,
      current_assignee: { team: workshop, user: jonas },
    },
    reply: brakeThanks,
  }),
  'comment.created': body('comment.created', {
    ticket: {
      ...addressTicket,
      comments_count: 1,
      last_activity_at: addressComment.created_at,
      labels: [deliveryLabel],
      current_assignee: { user: priya },
    },
    comment: addressComment,
  }),
};

export const helpDeskExamples = { ...ticketExamples, ...assignmentExamples, ...messageExamples };
