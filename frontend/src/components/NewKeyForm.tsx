import { useRef, type FormEvent } from "react";
import type { Schemas } from "../api/client";
import { fieldErrors } from "../api/failures";
import { useAction } from "../hooks/useAction";
import { FailureNotice } from "./FailureNotice";
import { Select, TextField } from "./Field";
import { Form } from "./Form";

// Each scope there is: the compiler misses one that is not here.
const SCOPES: Record<Schemas["Scope"], string> = {
  "profile:read": "read your row",
  "profile:write": "read your row, change your profile",
  "campaigns:read": "read campaigns",
  "campaigns:write": "read and change campaigns",
  "tokens:read": "read the balance",
  "tokens:spend": "read the balance, spend tokens",
};

const LIVES = [
  ["90", "90 days"],
  ["30", "30 days"],
  ["365", "A year"],
  ["", "No end"],
] as const;

const DAY_MS = 86_400_000;

export function NewKeyForm({ onMade }: { onMade: (key: Schemas["NewKeyOut"]) => void }) {
  const fields = useRef<HTMLFieldSetElement>(null);
  const create = useAction(async ({ api, idempotencyKey }, body: Schemas["KeyIn"]) => {
    onMade((await api.post("/api/keys", { body, header: { "Idempotency-Key": idempotencyKey } })).data);
    fields.current?.form?.reset();
  });
  const errors = fieldErrors(create.error);

  function submit(event: FormEvent<HTMLFormElement>) {
    const form = new FormData(event.currentTarget);
    const days = Number(form.get("days"));
    create.run({
      name: String(form.get("name")).trim(),
      scopes: form.getAll("scope") as Schemas["Scope"][],
      expires_at: days ? new Date(Date.now() + days * DAY_MS).toISOString() : null,
    });
  }

  return (
    <section className="panel" aria-labelledby="make-key">
      <h2 id="make-key">New key</h2>
      <Form action={create} onSubmit={submit}>
        <div className="fields">
          <TextField label="Name" name="name" required placeholder="laptop" error={errors["name"]} />
          <Select label="Valid for" name="days" choices={LIVES} error={errors["expires_at"]} />
        </div>
        <fieldset
          ref={fields}
          tabIndex={-1}
          aria-invalid={errors["scopes"] ? true : undefined}
          aria-describedby={errors["scopes"] ? "scopes-error" : undefined}
        >
          <legend>Scopes</legend>
          <div className="checks">
            {Object.entries(SCOPES).map(([scope, meaning]) => (
              <label key={scope}>
                <input type="checkbox" name="scope" value={scope} defaultChecked={scope === "profile:read"} />
                <span>
                  <code>{scope}</code> <span className="fine">{meaning}</span>
                </span>
              </label>
            ))}
          </div>
          {errors["scopes"] && (
            <p className="field-error" id="scopes-error">
              {errors["scopes"]}
            </p>
          )}
        </fieldset>
        <FailureNotice error={create.error} retry="submit" />
        <div className="actions">
          <button type="submit" className="primary" aria-disabled={create.isBusy}>
            Create key
          </button>
        </div>
      </Form>
    </section>
  );
}
