import { storeOf } from './store.ts';

/** Why the code of a link signed nobody in; null: none was followed, or it did. */
export const linkFailed = storeOf<unknown>(null);
