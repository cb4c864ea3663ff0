import { useEffect, useEffectEvent } from 'react';
import { Checkbox } from '../parts/checkbox.tsx';
import { Dialog } from '../parts/dialog.tsx';
import styles from './shortcuts.module.css';
import { storeOf, useStore } from './store.ts';

interface Shortcut {
  /** One key, or two after each other: `g h`. */
  readonly keys: string;
  readonly what: string;
  readonly run: () => void;
}

/** How long the second key of two may take. */
const SECOND_KEY_MS = 1_000;
const OFF_KEY = 'posthorn-shortcuts-off';

const active = storeOf<readonly Shortcut[]>([]);
const off = storeOf(readOff());
const shown = storeOf(false);

export function showShortcuts(): void {
  shown.set(true);
}

function readOff(): boolean {
  try {
    return localStorage.getItem(OFF_KEY) === '1';
  } catch {
    return false;
  }
}

function turnOff(isOff: boolean): void {
  try {
    localStorage.setItem(OFF_KEY, isOff ? '1' : '0');
  } catch {
    // A browser that keeps nothing: it holds until the page is left.
  }
  off.set(isOff);
}

/** A key that does something while the component is there; it stands in the list that `?` shows. */
export function useShortcut(keys: string, what: string, run: () => void): void {
  const latest = useEffectEvent(run);
  useEffect(() => {
    const shortcut: Shortcut = { keys, what, run: () => latest() };
    active.set([...active.get(), shortcut]);
    return () => active.set(active.get().filter((each) => each !== shortcut));
  }, [keys, what]);
}

function isWriting(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable ||
      /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) ||
      target.role === 'combobox')
  );
}

function isCovered(): boolean {
  return (
    document.querySelector('[role="dialog"], [role="alertdialog"], [role="menu"], [role="listbox"]') !== null
  );
}

/** Listens for all of them, and shows them at `?`. */
export function Shortcuts() {
  const isShown = useStore(shown);
  useShortcut('?', 'Show the keys', showShortcuts);
  useEffect(() => {
    let first = { key: '', at: 0 };
    const pressed = (event: KeyboardEvent) => {
      const { key, ctrlKey, metaKey, altKey, target, timeStamp, defaultPrevented } = event;
      if (ctrlKey || metaKey || altKey || defaultPrevented || off.get() || isWriting(target) || isCovered())
        return;
      const both = timeStamp - first.at < SECOND_KEY_MS ? `${first.key} ${key}` : key;
      const found =
        active.get().findLast(({ keys }) => keys === both) ??
        active.get().findLast(({ keys }) => keys === key);
      first = { key, at: timeStamp };
      if (!found) return;
      first = { key: '', at: 0 };
      event.preventDefault();
      found.run();
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, []);
  return (
    <Dialog open={isShown} title="Keys" onClose={() => shown.set(false)}>
      <List />
    </Dialog>
  );
}

function List() {
  const all = useStore(active);
  const isOff = useStore(off);
  const byKeys = new Map(all.map((each) => [each.keys, each]));
  return (
    <>
      <dl className={styles.list}>
        {[...byKeys.values()].map(({ keys, what }) => (
          <div key={keys}>
            <dt>
              {keys.split(' ').map((each) => (
                <kbd key={each}>{each}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>Enter</kbd>
          </dt>
          <dd>Open the row</dd>
        </div>
        <div>
          <dt>
            <kbd>Esc</kbd>
          </dt>
          <dd>Close what is open</dd>
        </div>
      </dl>
      <Checkbox checked={!isOff} onChange={(on) => turnOff(!on)}>
        Single keys do something on this browser
      </Checkbox>
    </>
  );
}
