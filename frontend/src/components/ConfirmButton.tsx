import { useRef, useState } from "react";

type Props = { label: string; question: string; about: string; disabled?: boolean; onConfirm: () => void };

/** A button that asks once more. `about` says for what, to those who hear one button of many. */
export function ConfirmButton({ label, question, about, disabled, onConfirm }: Props) {
  const [isAsking, setIsAsking] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);

  function close() {
    setIsAsking(false);
    requestAnimationFrame(() => opener.current?.focus());
  }

  if (!isAsking) {
    return (
      <button
        ref={opener}
        type="button"
        disabled={disabled}
        aria-label={`${label}: ${about}`}
        onClick={() => setIsAsking(true)}
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
