import type { Ending, Receiver } from './receiver.ts';
import { receivers } from './receivers.ts';

/** Where the tables stand in docs/reliability.md. */
const BEGIN = '<!-- Made from test/hell by npm run hell -- --docs. -->';
const END = '<!-- End of what npm run hell -- --docs makes. -->';

/** The page with the tables of the receivers as they are in the code. */
export function withTables(page: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error(`The page needs a place for the tables: ${BEGIN} ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${tables()}\n\n${page.slice(end)}`;
}

function tables(): string {
  const groups = Map.groupBy(receivers, ({ group }) => group);
  return [...groups].map(([group, members]) => tableOf(group, members)).join('\n\n');
}

function tableOf(group: string, members: readonly Receiver[]): string {
  const rows = members.map(
    (each) => `| \`${each.name}\` | ${each.does} | ${recorded(each)} | ${consequence(each)} |`,
  );
  return `### ${group}\n\n| receiver | what it does | the attempt | then |\n| --- | --- | --- | --- |\n${rows.join('\n')}`;
}

/** `200`; `timed_out`; `200, connection_closed`. */
function recorded(receiver: Receiver): string {
  const first = endingText(receiver, receiver.orError);
  return receiver.later === undefined ? first : `${first}; later ${endingText(receiver.later)}`;
}

function endingText({ status, error }: Ending, orError?: string): string {
  const parts = [
    status === null ? '' : String(status),
    error === null ? '' : `\`${error}\`${orError === undefined ? '' : ` or \`${orError}\``}`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function consequence({ outcome, note }: Receiver): string {
  return note === undefined ? outcome : `${outcome}; ${note}`;
}

/** One line for a terminal. */
export function shortText(receiver: Receiver): string {
  return `${recorded(receiver).replaceAll('`', '')}: ${receiver.outcome}`;
}
