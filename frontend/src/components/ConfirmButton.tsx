import { useState } from "react";

type Props = { label: string; question: string; about: string; isBusy: boolean; onConfirm: () => void };

/** A button that asks once more. `about` says for what, to those who hear one button of many. */
export function ConfirmButton({ label, question, about, isBusy, onConfirm }: Props) {
  const [asking, setAsking] = useState<"never" | "now" | "before">("never");
  const close = () => setAsking("before");

  if (asking !== "now") {
    return (
      <button
        type="button"
        autoFocus={asking === "before"}
        aria-disabled={isBusy}
        aria-label={`${label}: ${about}`}
        onClick={() => !isBusy && setAsking("now")}
      >
        {label}
      </button>
    );
  }
  return (
    <span
      className="confirm"
      role="group"
      aria-label={question}
      onKeyDown={(event) => event.key === "Escape" && close()}
    >
      <span>{question}</span>
      <button
        type="button"
        className="danger"
        autoFocus
        onClick={() => {
          close();
          onConfirm();
        }}
      >
        Yes
      </button>
      <button type="button" onClick={close}>
        No
      </button>
    </span>
  );
}
