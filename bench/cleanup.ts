const duties = new Set<() => void>();

/** Runs `duty` when this process ends, however it ends short of SIGKILL. Returns a function that takes it back. */
export function onExit(duty: () => void): () => void {
  if (duties.size === 0) watch();
  duties.add(duty);
  return () => duties.delete(duty);
}

let watching = false;

function watch(): void {
  if (watching) return;
  watching = true;
  process.on('exit', () => {
    for (const duty of duties) duty();
  });
  // Without a handler a signal would end the process past its exit event, and leave servers and folders behind.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
}

/**
 * Ends this process when it is still there after `seconds`: a benchmark that hangs must not hang for ever. However it ends short of
 * SIGKILL, it does by its exit event from now on.
 */
export function endAfter(seconds: number): void {
  watch();
  const timer = setTimeout(() => {
    console.error(`Not finished after ${seconds} s: given up.`);
    process.exit(1);
  }, seconds * 1000);
  timer.unref();
}
