import { getCurrentUser, signOut } from 'aws-amplify/auth';
import { useEffect, useState } from 'react';
import { Chat } from './components/Chat';
import { SignIn } from './components/SignIn';

type User = { userName: string } | 'signed-out' | 'loading';

export function App() {
  const [user, setUser] = useState<User>('loading');

  const loadUser = () =>
    getCurrentUser().then(
      ({ username }) => setUser({ userName: username }),
      () => setUser('signed-out'),
    );
  useEffect(() => {
    void loadUser();
    // All tabs share one session. Reload when another tab signs in or out.
    const onStorage = ({ key }: StorageEvent) => {
      if (key?.endsWith('.LastAuthUser')) window.location.reload();
    };
    window.addEventListener('storage', onStorage);
    return () => window.removeEventListener('storage', onStorage);
  }, []);

  const handleSignOut = async () => {
    setUser('loading'); // removes the chat, whose last subscription closes the connection
    await signOut();
    // Amplify keeps subscriptions that ended while disconnected, so the next user needs a fresh page.
    window.location.reload();
  };

  return (
    <main>
      <header>
        <h1>Amplify PubSub</h1>
        {typeof user === 'object' && (
          <p>
            {user.userName} <button onClick={() => void handleSignOut()}>Sign out</button>
          </p>
        )}
      </header>
      {user === 'signed-out' && <SignIn onSignedIn={() => void loadUser()} />}
      {typeof user === 'object' && <Chat userName={user.userName} />}
    </main>
  );
}
