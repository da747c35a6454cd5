import { useEffect, useRef, type FormEvent, type ReactNode } from "react";

type Props = {
  id?: string;
  action: { error?: unknown; retry?: () => void };
  onSubmit: (event: FormEvent<HTMLFormElement>) => void;
  children: ReactNode;
};

/**
 * A form whose values the backend judges. The first wrong one gets the focus. After a failure the same values are
 * `action` once more, whose answer may be all that got lost; others are submitted anew.
 */
export function Form({ id, action: { error, retry }, onSubmit, children }: Props) {
  const form = useRef<HTMLFormElement>(null);
  const submitted = useRef("");
  useEffect(() => {
    if (error !== undefined) form.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus();
  }, [error]);

  function submit(event: FormEvent<HTMLFormElement>) {
    const values = JSON.stringify([...new FormData(event.currentTarget)]);
    if (retry && values === submitted.current) return retry();
    submitted.current = values;
    onSubmit(event);
  }

  return (
    <form
      id={id}
      ref={form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        const unsendable = [...event.currentTarget.elements].filter(isUnsendable);
        unsendable.forEach((input) => input.checkValidity()); // its field hears of it, and shows why
        if (unsendable[0]) unsendable[0].focus();
        else submit(event);
      }}
    >
      {children}
    </form>
  );
}

/** What was typed is not what would be sent: half a date reads as none, and a tenth of a cent would be rounded off. */
function isUnsendable(control: Element): control is HTMLInputElement {
  return control instanceof HTMLInputElement && (control.validity.badInput || control.validity.stepMismatch);
}
