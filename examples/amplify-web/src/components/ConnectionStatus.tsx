import type { Connection } from '../utils/connection';

/** Says whether messages go through, and if not, why. */
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
          {selfAttachment && diagnosis.cause === 'connect-refused' && <p>{selfAttachment.text}</p>}
          <p>{diagnosis.advice}</p>
          {diagnosis.command && (
            <p>
              <code>{diagnosis.command}</code>
            </p>
          )}
          {diagnosis.cause !== 'signed-out' && <p className="hint">This page tries again by itself.</p>}
        </>
      )}
    </section>
  );
}
