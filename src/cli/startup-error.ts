import { KeyTaken } from '../registry/keyring.ts';
import type { Settings } from '../settings.ts';
import { StoreError } from '../store/store.ts';
import { CliError } from './cli-error.ts';
import { folderSentence } from './data-folder.ts';

const FOLDER_CODES = ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'ENOTDIR', 'EEXIST'];
/** PostgreSQL's `insufficient_privilege`. */
const NO_RIGHTS = '42501';

/** Why the server did not start, as one sentence with what to do. Other errors come back as they are: they are bugs. */
export function explainStartupError(error: unknown, settings: Settings): unknown {
  if (error instanceof CliError) return error;
  if (error instanceof KeyTaken) return new CliError(error.message, { cause: error });
  if (error instanceof StoreError) return new CliError(storeSentence(error, settings), { cause: error });
  const listening = listenSentence(error as NodeJS.ErrnoException, settings);
  if (listening !== null) return new CliError(listening, { cause: error });
  if (FOLDER_CODES.includes((error as NodeJS.ErrnoException)?.code ?? '')) {
    return new CliError(folderSentence(settings.dataFolder, error), { cause: error });
  }
  return error;
}

function storeSentence(error: StoreError, settings: Settings): string {
  if (settings.store !== 'sqlite') return databaseSentence(error, settings.store);
  const folder = settings.dataFolder;
  switch (error.code) {
    case 'locked':
      return `Another Posthorn uses the data folder ${folder}. Stop that one, or choose another folder with POSTHORN_DATA.`;
    case 'incompatible':
      return error.message;
    case 'broken':
      return `${error.message} Put the data folder ${folder} back from a backup.`;
    default:
      return `The data folder ${folder} can't be used: ${error.message}`;
  }
}

/** Of what PostgreSQL says. */
interface DatabaseErrorLike {
  readonly code: string;
  readonly message: string;
  readonly severity: string;
}

/** As SQL has the name of a role or database. */
function quoted(name: string): string {
  return name === '' ? '…' : `"${name.replaceAll('"', '""')}"`;
}

/** The URL is not repeated: it has a password. */
function databaseSentence({ code, message, cause }: StoreError, store: string): string {
  if (code === 'incompatible') return message;
  const { host, pathname, username, searchParams } = new URL(store);
  const database = pathname.slice(1);
  const { code: state, message: said, severity } = (cause ?? {}) as Partial<DatabaseErrorLike>;
  if (state === NO_RIGHTS) {
    // The server knows both: so they can be decoded.
    const role = quoted(searchParams.get('user') ?? decodeURIComponent(username));
    const where = quoted(decodeURIComponent(database));
    const remedy =
      severity === 'FATAL'
        ? `Run GRANT CONNECT ON DATABASE ${where} TO ${role}.`
        : `Where the database has no schema posthorn yet, run GRANT CREATE ON DATABASE ${where} TO ${role}, or make the schema for that role: CREATE SCHEMA posthorn AUTHORIZATION ${role}. Where it has one, name the role that owns it in POSTHORN_STORE.`;
    return `PostgreSQL refuses that: ${said} (${state}). ${remedy}`;
  }
  return `The database ${database} on ${host} can't be used: ${message} Check POSTHORN_STORE, and that the server runs and lets this machine and user in.`;
}

function listenSentence(error: NodeJS.ErrnoException, settings: Settings): string | null {
  const { host, port } = settings.listen;
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const isListening =
    error?.syscall === 'listen' || error?.syscall === 'bind' || error?.syscall === 'getaddrinfo';
  if (!isListening) return null;
  if (error.code === 'EADDRINUSE') {
    return `${address} is in use, perhaps by another Posthorn. Stop that program, or choose another port with POSTHORN_LISTEN=${address.replace(/\d+$/, String(port + 1))}.`;
  }
  if (error.code === 'EACCES') {
    return `This user may not listen on ${address}. Choose a port from 1024 on with POSTHORN_LISTEN, or give the user the right to.`;
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN') {
    return `${host} is no address of this machine. Set POSTHORN_LISTEN to one that is, such as 127.0.0.1:${port} or 0.0.0.0:${port}.`;
  }
  return `Posthorn can't listen on ${address} (${error.message}). Set POSTHORN_LISTEN to another address.`;
}
