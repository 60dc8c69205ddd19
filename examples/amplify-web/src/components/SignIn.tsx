import { signIn } from 'aws-amplify/auth';
import { type FormEvent, useState } from 'react';

export function SignIn({ onSignedIn }: { onSignedIn: () => void }) {
  const [failure, setFailure] = useState('');
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setFailure('');
    try {
      const { isSignedIn, nextStep } = await signIn({
        username: String(form.get('username')),
        password: String(form.get('password')),
      });
      if (isSignedIn) return onSignedIn();
      setFailure(`Your account requires the sign-in step ${nextStep.signInStep}, which this example does not support.`);
    } catch (error) {
      // Another tab has signed in; all tabs share one session.
      if (error instanceof Error && error.name === 'UserAlreadyAuthenticatedException') return onSignedIn();
      setFailure(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
  };

  return (
    <form className="sign-in" onSubmit={(event) => void submit(event)}>
      <label>
        User name
        <input name="username" autoComplete="username" required autoFocus />
      </label>
      <label>
        Password
        <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <button disabled={busy}>{busy ? 'Signing in…' : 'Sign in'}</button>
      {failure && (
        <p role="alert" className="failure">
          {failure}
        </p>
      )}
    </form>
  );
}
