import type { ShownKey, ShownNewKey } from '../../http/operator/key-out.ts';

/** What is asked of a new key. */
export interface WantedKey {
  readonly name: string;
  /** Id, uid or number; null: an operator key. */
  readonly application: string | null;
  /** Null: everything. */
  readonly capabilities: readonly string[] | null;
  /** Seconds from now; null: never. */
  readonly expiry: number | null;
}

/** Where keys are handed out: a running server, or the store of one that does not run. Throws CliError. */
export interface KeyDesk {
  /** All, oldest first; of one application when named. */
  list(application: string | null): Promise<ShownKey[]>;
  create(wanted: WantedKey): Promise<ShownNewKey>;
  revoke(id: string): Promise<void>;
  rotate(id: string, graceSeconds: number): Promise<ShownNewKey>;
  close(): Promise<void>;
}
