import type { Application } from '../../model/application.ts';

/** Tenants, which own endpoints. */
export interface ApplicationStore {
  /**
   * Inserts an application. Its number is the next one that is no other application's uid. Null when the uid is taken, or is
   * the number of an application: `applicationFind` finds the same one by a reference as long as it is there.
   */
  applicationInsert(params: NewApplication): Promise<Application | null>;
  /** The application with number 0, whose endpoints get the operational webhooks; made when there is none. No list has it, and only its id finds it. */
  applicationOperational(params: { id: string; now: number }): Promise<Application>;
  /** By `app_…` id, else by uid, else by number (`1`). */
  applicationFind(params: { ref: string }): Promise<Application | null>;
  applicationFindByNumber(params: { number: number }): Promise<Application | null>;
  applicationFindByKey(params: { applicationKey: number }): Promise<Application | null>;
  /** `Application.revision` of those of these that are there, in no order: whether one that is in memory is as in the store. */
  applicationRevisions(params: {
    applicationKeys: readonly number[];
  }): Promise<{ applicationKey: number; revision: number }[]>;
  /** The highest number that any application ever had; 0: there never was one. */
  applicationLastNumber(): Promise<number>;
  /** Live applications by id, which is by creation, ascending; `before` and `after` as in `AttemptPage`. */
  applicationList(params: {
    limit: number;
    before: string | null;
    after: string | null;
    /** With no bound: the newest of them instead of the oldest, still ascending. */
    fromEnd: boolean;
  }): Promise<Application[]>;
  /** Changes the named fields of a live application; the uid as in `applicationInsert`. Null when there is none. */
  applicationUpdate(params: {
    applicationKey: number;
    now: number;
    changes: ApplicationChanges;
  }): Promise<Application | 'uid_taken' | null>;
  /**
   * Marks it, its endpoints and its keys as gone: they are found no more; the uids are free, the number is never given
   * again. Returns the endpoints' keys, whose open deliveries `deliveryWithdraw` then cancels. Null when there was none.
   */
  applicationDelete(params: {
    applicationKey: number;
    now: number;
  }): Promise<{ endpointKeys: number[] } | null>;
}

export interface NewApplication {
  id: string;
  uid: string | null;
  name: string;
  throttleRate: number | null;
  metadata: Readonly<Record<string, string>>;
  now: number;
}

export type ApplicationChanges = Partial<Omit<NewApplication, 'id' | 'now'>>;
