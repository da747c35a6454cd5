import { useEffect, useId, useState, type ComponentProps, type ReactNode } from "react";

type Shared = { label: string; hint?: string | undefined; error?: string | undefined };

/** A labelled control with its hint and the backend's message, both read out with it. */
function Labelled({ label, hint, error, children }: Shared & { children: (attributes: object) => ReactNode }) {
  const id = useId();
  const said = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, "aria-describedby": said || undefined, "aria-invalid": error ? true : undefined })}
      {hint && (
        <p className="fine" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error && (
        <p className="field-error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  );
}

export function TextField({ label, hint, error, ...input }: Shared & ComponentProps<"input">) {
  const [refusal, setRefusal] = useState("");
  const { step } = input;
  useEffect(() => setRefusal(""), [step]); // what was too fine for one currency is not for another
  return (
    <Labelled label={label} hint={hint} error={refusal || error}>
      {(attributes) => (
        <input
          onInvalid={(event) => setRefusal(event.currentTarget.validationMessage)}
          onInput={() => setRefusal("")}
          {...attributes}
          {...input}
        />
      )}
    </Labelled>
  );
}

export function TextArea({ label, hint, error, ...area }: Shared & ComponentProps<"textarea">) {
  return (
    <Labelled label={label} hint={hint} error={error}>
      {(attributes) => <textarea rows={4} {...attributes} {...area} />}
    </Labelled>
  );
}

type Choice = readonly [value: string, label: string];

export function Select({
  label,
  hint,
  error,
  choices,
  ...select
}: Shared & { choices: readonly Choice[] } & ComponentProps<"select">) {
  return (
    <Labelled label={label} hint={hint} error={error}>
      {(attributes) => (
        <select {...attributes} {...select}>
          {choices.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Labelled>
  );
}
