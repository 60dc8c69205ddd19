import { type FormEvent, useEffect, useState } from 'react';

interface Props {
  label: string;
  action: string;
  connected: boolean;
  send: (msg: string) => Promise<void>;
}

/** A form to send a message. The text stays in the input if it was not delivered. */
export function SendMessage({ label, action, connected, send }: Props) {
  const [text, setText] = useState('');
  const [sending, setSending] = useState(false);
  const [failure, setFailure] = useState('');

  useEffect(() => {
    if (connected) setFailure('');
  }, [connected]);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (sending || !text.trim()) return;
    setSending(true);
    setFailure('');
    try {
      await send(text.trim());
      setText('');
    } catch (error) {
      setFailure(`Not delivered: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      setSending(false);
    }
  };

  return (
    <form className="send" onSubmit={(event) => void submit(event)}>
      <label>
        {label}
        <input value={text} onChange={(event) => setText(event.target.value)} required autoComplete="off" />
      </label>
      <button disabled={!connected} aria-disabled={sending}>
        {sending ? 'Sending…' : action}
      </button>
      {failure && (
        <p role="alert" className="failure">
          {failure}
        </p>
      )}
    </form>
  );
}
