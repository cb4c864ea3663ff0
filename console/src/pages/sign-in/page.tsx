import { useQuery } from '@tanstack/react-query';
import { useNavigate, useRouter, useSearch } from '@tanstack/react-router';
import { type FormEvent, useEffect, useState } from 'react';
import { Problem } from '../../api/problem.ts';
import { linkFailed } from '../../frame/link.ts';
import { goodbye, sessionQuery, signIn } from '../../frame/session.ts';
import { useStore } from '../../frame/store.ts';
import { HOME } from '../../home.ts';
import { Button } from '../../parts/button.tsx';
import { Field, inputStyle } from '../../parts/field.tsx';
import { Banner } from '../../parts/notices.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import styles from './sign-in.module.css';

export function SignInPage() {
  const failed = useStore(linkFailed);
  const { data: session } = useQuery(sessionQuery);
  const { next } = useSearch({ from: '/sign-in' });
  const navigate = useNavigate();
  const { history } = useRouter();
  // Signed in, here or in another tab.
  useEffect(() => {
    if (!session) return;
    linkFailed.set(null);
    if (next?.startsWith('/') && !next.startsWith('//'))
      history.replace(next.startsWith(`${HOME}/`) ? next : `${HOME}${next}`);
    else void navigate({ to: '/', replace: true });
  }, [session, next, history, navigate]);
  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <div className={styles.brand}>
          <img src={`${HOME}/assets/icon.svg`} width={32} height={32} alt="" />
          Posthorn
        </div>
        {failed === null ? <KeyForm /> : <LinkAdvice error={failed} />}
      </div>
    </main>
  );
}

function KeyForm() {
  const why = useStore(goodbye);
  const [key, setKey] = useState('');
  const [shown, setShown] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    if (key.trim() === '') {
      setError('Paste a key first.');
      return;
    }
    setBusy(true);
    setError(undefined);
    try {
      await signIn({ key: key.trim() });
    } catch (problem) {
      setError(textOf(problem));
      setBusy(false);
    }
  };
  return (
    <form onSubmit={submit} noValidate className={styles.form}>
      <PageHeader title="Sign in" />
      {why === 'signed-out' && <Banner tone="pending">You are signed out.</Banner>}
      {why === 'ended' && <Banner tone="held">Your session has ended. Sign in again to go on.</Banner>}
      <Field
        label="Key"
        name="key"
        error={error}
        hint="The operator key or company token that the first start printed, or a key that an operator made for you. From a help desk, open Web Hooks there: that signs you in."
      >
        {(control) => (
          <input
            {...control}
            className={inputStyle}
            type={shown ? 'text' : 'password'}
            value={key}
            onChange={({ target }) => setKey(target.value)}
            autoComplete="current-password"
            autoCapitalize="none"
            spellCheck={false}
            // biome-ignore lint/a11y/noAutofocus: it is all that there is to do on this page.
            autoFocus
          />
        )}
      </Field>
      <div className={styles.actions}>
        <Button type="submit" look="primary" busy={busy}>
          Sign in
        </Button>
        <Button look="quiet" icon="eye" aria-pressed={shown} onClick={() => setShown(!shown)}>
          {shown ? 'Hide key' : 'Show key'}
        </Button>
      </div>
    </form>
  );
}

function textOf(problem: unknown): string {
  if (!(problem instanceof Problem)) return 'Something went wrong in this page. Reload it, then try again.';
  if (problem.status === 401)
    return 'No such key: it may have been revoked, have expired, or lack a character. Copy it again.';
  return problem.message;
}

/** For who followed a link that signs nobody in any more. */
function LinkAdvice({ error }: { error: unknown }) {
  const isOver = error instanceof Problem && error.status === 401;
  return (
    <div className={styles.form}>
      <PageHeader title={isOver ? 'This link has expired' : 'The link could not be checked'} />
      <p>
        {isOver
          ? 'A link signs in one browser, once, and only for an hour. Open Web Hooks from your help desk again to get a new one.'
          : 'The server could not be reached. Open the link again in a moment.'}
      </p>
      <div className={styles.actions}>
        <Button onClick={() => linkFailed.set(null)}>Sign in with a key</Button>
      </div>
    </div>
  );
}
