/**
 * Where the server has the console: `/console`, or that below a path where a proxy puts it. The files of the bundle are right
 * below it, which makes it known without a setting.
 */
export const HOME = new URL(/* @vite-ignore */ '..', import.meta.url).pathname.replace(/\/$/, '');
