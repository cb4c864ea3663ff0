import { type Ref, useEffect, useState } from 'react';
import { inputStyle } from './field.tsx';

/** How long nobody types before it counts. */
const PAUSE_MS = 200;

/** Text to look for. `value` is what the address says; the field is ahead of it while somebody types. */
export function SearchField(props: {
  label: string;
  placeholder: string;
  value: string;
  onChange(value: string): void;
  ref?: Ref<HTMLInputElement>;
}) {
  const { label, placeholder, value, onChange, ref } = props;
  const [typed, setTyped] = useState(value);
  const [told, setTold] = useState(value);
  // Changed from elsewhere: by the back button, or by "Clear filters".
  if (value !== told) {
    setTold(value);
    setTyped(value);
  }
  useEffect(() => {
    if (typed === told) return;
    const timer = setTimeout(() => {
      setTold(typed);
      onChange(typed);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  });
  return (
    <input
      ref={ref}
      type="search"
      className={inputStyle}
      aria-label={label}
      placeholder={placeholder}
      value={typed}
      onChange={({ target }) => setTyped(target.value)}
    />
  );
}
