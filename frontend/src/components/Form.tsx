import { useEffect, useRef, type FormEvent, type ReactNode } from "react";

type Props = { onSubmit: (event: FormEvent<HTMLFormElement>) => void; error: unknown; children: ReactNode };

/** A form whose values the backend judges. The first wrong one gets the focus. */
export function Form({ onSubmit, error, children }: Props) {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (error !== undefined) form.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus();
  }, [error]);
  return (
    <form
      ref={form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        const unsendable = [...event.currentTarget.elements].filter(isUnsendable);
        unsendable.forEach((input) => input.checkValidity()); // its field hears of it, and shows why
        if (unsendable[0]) unsendable[0].focus();
        else onSubmit(event);
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
