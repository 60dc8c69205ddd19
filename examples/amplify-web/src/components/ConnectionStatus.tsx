import type { Connection } from '../utils/connection';

/** Shows whether the page is connected, and otherwise why not. */
export function ConnectionStatus({ connected, diagnosis, selfAttachment }: Connection) {
  const state = connected ? 'connected' : diagnosis ? 'disrupted' : 'connecting';
  return (
    <section className={`status ${state}`} role="status" data-cause={diagnosis?.cause}>
      {state === 'connected' && (
        <>
          <h2>Connected</h2>
          {selfAttachment?.attached && <p className="hint">{selfAttachment.text}</p>}
        </>
      )}
      {state === 'connecting' && <h2>Connecting…</h2>}
      {!connected && diagnosis && (
        <>
          <h2>{diagnosis.summary}</h2>
          {selfAttachment && diagnosis.cause === 'connect-denied' && <p>{selfAttachment.text}</p>}
          <p>{diagnosis.advice}</p>
          {diagnosis.command && (
            <p>
              <code>{diagnosis.command}</code>
            </p>
          )}
          {diagnosis.cause !== 'signed-out' && <p className="hint">This page tries again automatically.</p>}
        </>
      )}
    </section>
  );
}
