import { useState } from "react";
import type { Schemas } from "../api/client";
import { ConfirmButton } from "../components/ConfirmButton";
import { CopyField } from "../components/CopyField";
import { FailureNotice } from "../components/FailureNotice";
import { Loaded } from "../components/Loaded";
import { NewKeyForm } from "../components/NewKeyForm";
import { Pager } from "../components/Pager";
import { formatDay } from "../format";
import { useAction } from "../hooks/useAction";
import { usePages } from "../hooks/usePages";

type Key = Schemas["KeyOut"];

const PAGE = 10;

export function ApiKeysPage() {
  const [made, setMade] = useState<Schemas["NewKeyOut"] | null>(null);
  const { page, ...pager } = usePages("keys", async (api, cursor, signal) => {
    return (await api.get("/api/keys", { query: { limit: PAGE, cursor }, signal })).data;
  });
  const revoke = useAction(async ({ api }, key: Key) => {
    await api.delete("/api/keys/{key_id}", { path: { key_id: key.key_id } });
    page.reload();
  });
  const rotate = useAction(async ({ api, idempotencyKey }, key: Key) => {
    const header = { "Idempotency-Key": idempotencyKey };
    show((await api.post("/api/keys/{key_id}/rotate", { path: { key_id: key.key_id }, header, body: {} })).data);
  });

  function show(key: Schemas["NewKeyOut"]) {
    setMade(key);
    page.reload();
  }

  return (
    <>
      <h1>API keys</h1>
      <p className="lead">
        For programs that act as you without a browser. A key can do what its scopes say, and nothing else.
      </p>
      {made && <NewKey key={made.key_id} made={made} onDone={() => setMade(null)} />}
      <FailureNotice error={revoke.error} retry={revoke.retry} />
      <FailureNotice error={rotate.error} retry={rotate.retry} />
      <Loaded resource={page} missing="This backend has no API keys yet.">
        {({ keys }) => (
          <>
            {keys.length > 0 && (
              <ul className="rows" aria-label="API keys">
                {keys.map((key) => (
                  <Row
                    key={key.key_id}
                    apiKey={key}
                    isBusy={revoke.isBusy || rotate.isBusy}
                    onRotate={() => rotate.run(key)}
                    onRevoke={() => revoke.run(key)}
                  />
                ))}
              </ul>
            )}
            <Pager {...pager} />
            <NewKeyForm onMade={show} />
          </>
        )}
      </Loaded>
    </>
  );
}

function NewKey({ made, onDone }: { made: Schemas["NewKeyOut"]; onDone: () => void }) {
  return (
    <section className="notice notice-good" aria-labelledby="new-key">
      <h2 id="new-key">Copy “{made.name}” now</h2>
      <p>This is the only time the key is shown. Only a fingerprint of it is kept.</p>
      <CopyField label="New API key" value={made.key} />
      <button type="button" onClick={onDone}>
        I have stored it
      </button>
    </section>
  );
}

type RowProps = { apiKey: Key; isBusy: boolean; onRotate: () => void; onRevoke: () => void };

function Row({ apiKey, isBusy, onRotate, onRevoke }: RowProps) {
  const { name, prefix, last_four, scopes, revoked_at, expires_at, last_used_at } = apiKey;
  const isExpired = expires_at !== null && Date.parse(expires_at) <= Date.now();
  const ended = revoked_at ? "revoked" : isExpired ? "expired" : null;
  const facts = [
    scopes.join(", "),
    expires_at && !ended ? `until ${formatDay(expires_at)}` : null,
    last_used_at ? `used ${formatDay(last_used_at)}` : "never used",
  ];
  return (
    <li className={ended ? "ended" : undefined}>
      <div className="row-text">
        <p>
          <strong>{name}</strong>
          <code>
            {prefix}…{last_four}
          </code>
          {ended && <span className="pill">{ended}</span>}
        </p>
        <p className="fine">{facts.filter(Boolean).join(" · ")}</p>
      </div>
      {!ended && (
        <div className="row-actions">
          <button type="button" disabled={isBusy} aria-label={`Rotate: ${name}`} onClick={onRotate}>
            Rotate
          </button>
          <ConfirmButton
            label="Revoke"
            question="Revoke for good?"
            about={name}
            disabled={isBusy}
            onConfirm={onRevoke}
          />
        </div>
      )}
    </li>
  );
}
