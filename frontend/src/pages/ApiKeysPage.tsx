import { useState } from "react";
import type { Schemas } from "../api/client";
import { ConfirmButton } from "../components/ConfirmButton";
import { CopyField } from "../components/CopyField";
import { FailureNotice } from "../components/FailureNotice";
import { Loaded } from "../components/Loaded";
import { NewKeyForm } from "../components/NewKeyForm";
import { Pager } from "../components/Pager";
import { formatDay, formatMoment } from "../format";
import { useAction } from "../hooks/useAction";
import { focusOnArrival } from "../hooks/useFocus";
import { usePages } from "../hooks/usePages";

type Key = Schemas["KeyOut"];

const PAGE = 10;

export function ApiKeysPage() {
  const [made, setMade] = useState<Schemas["NewKeyOut"][]>([]);
  const { page, ...pager } = usePages("keys", async (api, cursor, signal) => {
    return (await api.get("/api/keys", { query: { limit: PAGE, cursor }, signal })).data;
  });
  const revoke = useAction(async ({ api }, key: Key) => {
    await api.delete("/api/keys/{key_id}", { path: { key_id: key.key_id } });
    forget(key.key_id);
    page.reload();
  });
  const rotate = useAction(async ({ api, idempotencyKey }, key: Key) => {
    const header = { "Idempotency-Key": idempotencyKey };
    show((await api.post("/api/keys/{key_id}/rotate", { path: { key_id: key.key_id }, header, body: {} })).data);
  });

  function show(key: Schemas["NewKeyOut"]) {
    setMade((shown) => [key, ...shown]);
    page.reload();
  }

  function forget(id: Key["key_id"]) {
    setMade((shown) => shown.filter(({ key_id }) => key_id !== id));
  }

  return (
    <>
      <h1>API keys</h1>
      <p className="lead">
        For programs that act as you without a browser. A key can do what its scopes say, and nothing else.
      </p>
      {made.map((key) => (
        <NewKey key={key.key_id} made={key} onDone={() => forget(key.key_id)} />
      ))}
      <FailureNotice error={revoke.error} retry={revoke.retry} />
      <FailureNotice error={rotate.error} retry={rotate.retry} />
      <Loaded resource={page} missing="This backend has no API keys yet.">
        {({ keys }) => (
          <>
            {keys.length > 0 && (
              <ul className="rows" tabIndex={-1} aria-label="API keys">
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
  const title = `new-${made.key_id}`;
  return (
    <section ref={focusOnArrival} tabIndex={-1} className="notice notice-good" aria-labelledby={title}>
      <h2 id={title}>
        Copy “<bdi>{made.name}</bdi>” now
      </h2>
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
  const { name, prefix, last_four, scopes, revoked_at, expires_at, last_used_at, replaced_by } = apiKey;
  const isExpired = expires_at !== null && Date.parse(expires_at) <= Date.now();
  const ended = revoked_at ? "revoked" : isExpired ? "expired" : null;
  const isReplaced = replaced_by !== null;
  const about = `${name}, …${last_four}`; // A key and the one that replaced it have the same name.
  const facts = [
    scopes.join(", "),
    expires_at && !ended ? `until ${(isReplaced ? formatMoment : formatDay)(expires_at)}` : null,
    last_used_at ? `used ${formatDay(last_used_at)}` : "never used",
  ];
  return (
    <li className={ended ? "ended" : undefined}>
      <div className="row-text">
        <p>
          <strong>
            <bdi>{name}</bdi>
          </strong>
          <code>
            {prefix}…{last_four}
          </code>
          {(ended || isReplaced) && <span className="pill">{ended ?? "replaced"}</span>}
        </p>
        <p className="fine">{facts.filter(Boolean).join(" · ")}</p>
      </div>
      {!ended && (
        <div className="row-actions">
          {!isReplaced && (
            <ConfirmButton
              label="Rotate"
              question="Make a new key? The old one works for up to one more day."
              about={about}
              isBusy={isBusy}
              onConfirm={onRotate}
            />
          )}
          <ConfirmButton
            label="Revoke"
            question="Revoke for good?"
            about={about}
            isBusy={isBusy}
            onConfirm={onRevoke}
          />
        </div>
      )}
    </li>
  );
}
