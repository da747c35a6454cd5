import { describeFailure, fieldErrors } from "../api/failures";

/** `retry`: "submit" in a form, to send what stands there by then. */
type Props = { error: unknown; retry?: (() => void) | "submit" | undefined };

/** On a phone the button that brought it may be a page further down. */
const showOnArrival = (element: HTMLElement | null) => element?.scrollIntoView({ block: "nearest" });

/** What went wrong, what to do about it, and what to tell support. Nothing without an error. */
export function FailureNotice({ error, retry }: Props) {
  if (error === undefined) return null;
  const { title, detail, code, requestId, advice } = describeFailure(error);
  const errors = fieldErrors(error);
  const isInput = Object.keys(errors).length > 0;
  return (
    <div ref={showOnArrival} className="notice notice-failure" role="alert">
      <p>
        <strong>{isInput ? "Please look at what you entered" : title}</strong>
        {code && <code>{code}</code>}
      </p>
      <p>{errors[""] ?? (isInput ? "The marked fields need another value." : detail)}</p>
      {advice && <p>{advice}</p>}
      {requestId && (
        <p className="fine">
          Request <code>{requestId}</code>
        </p>
      )}
      {/* Sending the same values again would be refused again. */}
      {retry && !isInput && (
        <button {...(retry === "submit" ? { type: "submit" } : { type: "button", onClick: retry })}>
          Try again
        </button>
      )}
    </div>
  );
}
