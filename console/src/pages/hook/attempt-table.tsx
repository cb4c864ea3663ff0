import type { Attempt } from '../../api/client.ts';
import { useWords } from '../../frame/session.ts';
import { type Column, DataTable } from '../../parts/data-table.tsx';
import { IdText } from '../../parts/id-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { TimeText } from '../../parts/time-text.tsx';
import { durationText } from '../../words/times.ts';
import { visible } from '../../words/visible.ts';

/** Attempts at one hook, newest first. */
export function AttemptTable({ attempts }: { attempts: readonly Attempt[] }) {
  const { Type } = useWords();
  const columns: Column<Attempt>[] = [
    { id: 'time', title: 'Time', phone: 'second', cell: ({ timestamp }) => <TimeText at={timestamp} /> },
    {
      id: 'type',
      title: Type,
      phone: 'main',
      cell: ({ msg }) => <code>{visible(msg?.eventType ?? '')}</code>,
    },
    {
      id: 'outcome',
      title: 'Outcome',
      phone: 'first',
      cell: ({ statusText }) => <StateBadge state={statusText === 'success' ? 'succeeded' : 'failed'} />,
    },
    { id: 'answer', title: 'Answer', phone: 'second', cell: answerText },
    {
      id: 'duration',
      title: 'Took',
      align: 'end',
      phone: 'second',
      cell: ({ responseDurationMs }) => durationText(responseDurationMs),
    },
    {
      id: 'number',
      title: 'Attempt',
      phone: 'hidden',
      cell: ({ attemptNumber }) => (attemptNumber === null ? 'Resend' : `Number ${attemptNumber}`),
    },
    {
      id: 'message',
      title: 'Message',
      phone: 'hidden',
      cell: ({ msgId }) => <IdText id={msgId} what="message id" />,
    },
  ];
  return <DataTable label="Attempts" columns={columns} rows={attempts} rowKey={({ id }) => id} />;
}

/** In a few words. The sentence beside the pointer is the server's. */
const ERRORS: Readonly<Record<string, string>> = {
  address_refused: 'Address refused',
  dns_failed: 'Name not found',
  connection_refused: 'Connection refused',
  connection_failed: 'Not reached',
  connection_closed: 'Connection closed',
  tls_failed: 'TLS failed',
  timed_out: 'Timed out',
  protocol_error: 'Not HTTP',
  request_invalid: 'Request not possible',
  internal_error: 'Internal fault',
};

function answerText({ responseStatusCode, errorCode, errorMessage }: Attempt) {
  if (errorCode === null) return responseStatusCode;
  const code = responseStatusCode > 0 ? `${responseStatusCode}, ` : '';
  return (
    <span title={visible(errorMessage ?? '')}>{`${code}${ERRORS[errorCode] ?? visible(errorCode)}`}</span>
  );
}
