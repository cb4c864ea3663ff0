import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { api, ok } from '../../api/client.ts';
import { useMay, useWords } from '../../frame/session.ts';
import { toast, toastProblem } from '../../frame/toasts.tsx';
import { Button } from '../../parts/button.tsx';
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx';
import { CopyButton } from '../../parts/copy-button.tsx';
import { Field, inputStyle } from '../../parts/field.tsx';
import { TimeText } from '../../parts/time-text.tsx';
import { figuresQuery, forgetHooks } from '../hooks/hooks.ts';
import styles from './hook.module.css';

const SHOWN_MS = 30_000;
/** As many whatever the secret is: its length is nobody's business. */
const DOTS = '•'.repeat(24);

const OVERLAPS = [
  { seconds: 0, word: 'End it at once' },
  { seconds: 3_600, word: 'For an hour' },
  { seconds: 86_400, word: 'For a day' },
  { seconds: 604_800, word: 'For 7 days' },
] as const;

export function HookSecret() {
  const { app, hook } = useParams({ from: '/signed-in/app/$app/hooks/$hook/secret' });
  const may = useMay();
  return (
    <>
      <Current app={app} hook={hook} />
      {(may('ManageEndpointSecret') || may('ManageEndpoint')) && <Rotate app={app} hook={hook} />}
      <Verify />
    </>
  );
}

/** Asked for only when it is wanted, and kept nowhere. */
async function secretOf(app: string, hook: string): Promise<string> {
  const path = { app_id: app, endpoint_id: hook };
  return (await ok(api.GET('/api/v1/app/{app_id}/endpoint/{endpoint_id}/secret', { params: { path } }))).key;
}

function Current({ app, hook }: { app: string; hook: string }) {
  const [secret, setSecret] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    if (secret === null) return;
    const timer = setTimeout(() => setSecret(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [secret]);
  const reveal = async () => {
    setBusy(true);
    try {
      setSecret(await secretOf(app, hook));
    } catch (error) {
      toastProblem('Secret not shown', error);
    }
    setBusy(false);
  };
  return (
    <section className={styles.section} aria-labelledby="current">
      <h2 id="current">Signing secret</h2>
      <p className="muted">
        Each request is signed with it, so that your server knows that it came from here. Give it to nobody
        else.
      </p>
      <div className={styles.secret}>
        <code>
          {secret ?? (
            <span role="img" aria-label="Hidden">
              {DOTS}
            </span>
          )}
        </code>
        {secret === null ? (
          <Button icon="eye" busy={busy} onClick={reveal}>
            Reveal for 30 s
          </Button>
        ) : (
          <Button icon="eye" onClick={() => setSecret(null)}>
            Hide
          </Button>
        )}
        <CopyButton labelled what="Copy secret" text={() => secretOf(app, hook)} />
      </div>
      <OldOnes app={app} hook={hook} />
    </section>
  );
}

function OldOnes({ app, hook }: { app: string; hook: string }) {
  const { data: [figures] = [] } = useQuery(figuresQuery(app, [hook]));
  if (!figures || figures.oldSecretsEnd.length === 0) return null;
  return (
    <ul>
      {figures.oldSecretsEnd.map((end) => (
        <li key={end}>
          An old secret signs too, until <TimeText at={end} />.
        </li>
      ))}
    </ul>
  );
}

function Rotate({ app, hook }: { app: string; hook: string }) {
  const { hook: word } = useWords();
  const [overlap, setOverlap] = useState<number>(86_400);
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const rotate = async () => {
    setBusy(true);
    try {
      await ok(
        api.POST('/api/v1/app/{app_id}/endpoint/{endpoint_id}/secret/rotate', {
          params: { path: { app_id: app, endpoint_id: hook } },
          body: { gracePeriodSeconds: overlap },
        }),
      );
      await forgetHooks(app);
      toast('Secret rotated', {
        tone: 'good',
        detail: 'The new one signs from now on. Copy it to your server.',
      });
      setAsking(false);
    } catch (error) {
      toastProblem('Secret not rotated', error);
    }
    setBusy(false);
  };
  return (
    <section className={styles.section} aria-labelledby="rotate">
      <h2 id="rotate">Rotate</h2>
      <p className="muted">
        A new secret signs from now on. While the old one signs too, your server can take either: there is
        time to change it without losing a request.
      </p>
      <div className={styles.choice}>
        <Overlap seconds={overlap} onChange={setOverlap} />
        <Button onClick={() => setAsking(true)}>Rotate secret…</Button>
      </div>
      <ConfirmDialog
        open={asking}
        title="Rotate the secret?"
        confirm="Rotate secret"
        look={overlap === 0 ? 'danger' : 'primary'}
        busy={busy}
        onCancel={() => setAsking(false)}
        onConfirm={() => void rotate()}
      >
        {overlap === 0 ? (
          <p>
            The old secret ends at once: a server that still has it refuses what this {word} gets until it is
            changed.
          </p>
        ) : (
          <p>
            Both secrets sign until <TimeText at={new Date(Date.now() + overlap * 1_000).toISOString()} />,
            then only the new one.
          </p>
        )}
      </ConfirmDialog>
    </section>
  );
}

/** How long the old secret signs too. */
function Overlap({ seconds, onChange }: { seconds: number; onChange(seconds: number): void }) {
  return (
    <Field label="Old secret" name="overlap">
      {(control) => (
        <select
          {...control}
          className={inputStyle}
          value={seconds}
          onChange={({ target }) => onChange(Number(target.value))}
        >
          {OVERLAPS.map(({ seconds: each, word }) => (
            <option key={each} value={each}>
              {word}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

const SNIPPET = `import { Webhook } from 'standardwebhooks';

// Throws when the request is not from us, or too old. The body as it came: not parsed and written anew.
new Webhook(process.env.WEBHOOK_SECRET).verify(body, headers);`;

function Verify() {
  return (
    <section className={styles.section} aria-labelledby="verify">
      <h2 id="verify">Verify a request</h2>
      <p className="muted">
        In Node.js, with the library of Standard Webhooks, which is there for ten languages:
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls sideways, which takes the focus without a pointer. */}
      <pre className={styles.code} tabIndex={0}>
        {SNIPPET}
      </pre>
      <div>
        <CopyButton labelled what="Copy code" text={SNIPPET} />
      </div>
    </section>
  );
}
