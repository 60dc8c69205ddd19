import { getCurrentUser, signOut } from 'aws-amplify/auth';
import { useEffect, useState } from 'react';
import { Chat } from './components/Chat';
import { SignIn } from './components/SignIn';

type Who = { userName: string } | 'nobody' | 'not known yet';

export function App() {
  const [who, setWho] = useState<Who>('not known yet');

  const ask = () =>
    getCurrentUser().then(
      ({ username }) => setWho({ userName: username }),
      () => setWho('nobody'),
    );
  useEffect(() => {
    void ask();
    // Tabs share the session: a page goes with the user that another tab has signed in or out.
    const follow = ({ key }: StorageEvent) => {
      if (key?.endsWith('.LastAuthUser')) window.location.reload();
    };
    window.addEventListener('storage', follow);
    return () => window.removeEventListener('storage', follow);
  }, []);

  const leave = async () => {
    setWho('not known yet'); // ends the chat, and with the last subscription the connection
    await signOut();
    // Amplify keeps what it could not unsubscribe while disconnected; the next user begins on a fresh page.
    window.location.reload();
  };

  return (
    <main>
      <header>
        <h1>Amplify PubSub</h1>
        {typeof who === 'object' && (
          <p>
            {who.userName} <button onClick={() => void leave()}>Sign out</button>
          </p>
        )}
      </header>
      {who === 'nobody' && <SignIn onSignedIn={() => void ask()} />}
      {typeof who === 'object' && <Chat userName={who.userName} />}
    </main>
  );
}
