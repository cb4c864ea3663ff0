/** The tenant that owns endpoints: a company, in the words of the Web Hooks API. */
export interface Application {
  /** The store's own number for the row; never shown. */
  readonly key: number;
  /** `app_…` */
  readonly id: string;
  /** 1, 2, 3…: the company number, first half of every web hook's id. */
  readonly number: number;
  readonly uid: string | null;
  readonly name: string;
  /** Deliveries a second over all endpoints, or null for no limit. */
  readonly throttleRate: number | null;
  readonly metadata: Readonly<Record<string, string>>;
  /** Milliseconds since the Unix epoch, like every time in the model. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /**
   * Another one after every change of the application or one of its endpoints, in a store that several processes share;
   * always 0 in one that only this process changes.
   */
  readonly revision: number;
}
