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
        onSubmit(event);
      }}
    >
      {children}
    </form>
  );
}
