import { useEffect, useState } from 'react';
import { announce } from '../frame/announcer.tsx';
import { toastProblem } from '../frame/toasts.tsx';
import { Button, IconButton } from './button.tsx';

const SHOWN_MS = 2_000;

/**
 * @param props.what its name: `Copy id`.
 * @param props.text or how to get it: some texts are only asked for when they are wanted.
 */
export function CopyButton({
  what,
  text,
  labelled = false,
}: {
  what: string;
  text: string | (() => Promise<string>);
  labelled?: boolean;
}) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(typeof text === 'string' ? text : await text());
      setCopied(true);
      announce('Copied.');
    } catch (error) {
      toastProblem('Not copied', error);
    }
  };
  const icon = copied ? 'check' : 'copy';
  if (labelled) {
    return (
      <Button icon={icon} onClick={copy}>
        {copied ? 'Copied' : what}
      </Button>
    );
  }
  return <IconButton label={copied ? 'Copied' : what} icon={icon} onClick={copy} />;
}
