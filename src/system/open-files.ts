import { HTTP_CONNECTIONS, IDLE_SOCKETS, SCHEDULE_LIMITS, TESTS } from '../limits.ts';

/** For the store, the log, name servers, the threads and Node.js itself. A running server without clients has 34. */
const RESERVED = 64;
/** Of the rest, what goes to receivers; the other part is for clients. */
const TO_RECEIVERS = 0.6;
const TEST_PART = 0.1;
const RECEIVER_SOCKETS_LEAST = 8;
const HTTP_CONNECTIONS_LEAST = 100;

/** Below this even a quiet server can run out of files; below the other, deliveries at once are clearly fewer. */
const SCARCE = 256;
const FEW = 4_096;
const RAISE =
  'Raise the limit before the start: ulimit -n 65536 (systemd: LimitNOFILE=65536, Docker: --ulimit nofile=65536:65536).';

export interface OpenFileShares {
  /** Deliveries under way at once. */
  readonly inFlight: number;
  /** Sockets of the sender of deliveries, idle ones too, and of the sender of tests. */
  readonly deliverySockets: number;
  readonly testSockets: number;
  readonly httpConnections: number;
  /** What the person who runs it must know of a low limit. */
  readonly warning: string | null;
}

/**
 * How many files this process may have open at once: the limit in force, which Node.js at its start has raised as far as
 * it may be (the hard limit). The report takes 3 ms and knows it on every POSIX system. Infinite where there is none.
 */
export function openFilesLimit(): number {
  const report = process.report as typeof process.report & { excludeNetwork: boolean };
  const { excludeNetwork } = report;
  // Else it asks name servers for the names behind the sockets that are open.
  report.excludeNetwork = true;
  try {
    return openFilesOf(report.getReport());
  } finally {
    report.excludeNetwork = excludeNetwork;
  }
}

/** The soft limit in a report of Node.js: a number, `unlimited`, or (on Windows) not there. */
export function openFilesOf(report: object): number {
  const { userLimits } = report as { userLimits?: { open_files?: { soft?: unknown } } };
  const soft = userLimits?.open_files?.soft;
  return typeof soft === 'number' && soft > 0 ? soft : Number.POSITIVE_INFINITY;
}

/** Divides the files that may be open, so that neither sending nor accepting nor the store meets EMFILE. */
export function shareOpenFiles(limit: number): OpenFileShares {
  const free = Math.max(limit - RESERVED, 0);
  const toReceivers = Math.min(
    SCHEDULE_LIMITS.inFlight + IDLE_SOCKETS + TESTS,
    Math.max(Math.floor(free * TO_RECEIVERS), RECEIVER_SOCKETS_LEAST),
  );
  const testSockets = Math.min(TESTS, Math.ceil(toReceivers * TEST_PART));
  const deliverySockets = toReceivers - testSockets;
  const inFlight = Math.min(SCHEDULE_LIMITS.inFlight, deliverySockets);
  const httpConnections = Math.min(HTTP_CONNECTIONS, Math.max(free - toReceivers, HTTP_CONNECTIONS_LEAST));
  return {
    inFlight,
    deliverySockets,
    testSockets,
    httpConnections,
    warning: warningOf(limit, inFlight, httpConnections),
  };
}

function warningOf(limit: number, inFlight: number, httpConnections: number): string | null {
  if (limit >= FEW) return null;
  const meaning = `This process may have only ${limit} files and sockets open at once (ulimit -n): at most ${inFlight} deliveries go out at once instead of ${SCHEDULE_LIMITS.inFlight}, and ${httpConnections} clients can be connected.`;
  if (limit >= SCARCE) return `${meaning} ${RAISE}`;
  return `${meaning} That is too few for a server: under load connections and the store will fail. ${RAISE}`;
}
