type Props = { number: number; back: (() => void) | undefined; next: (() => void) | undefined };

/** Nothing when there is one page only. */
export function Pager({ number, back, next }: Props) {
  if (!back && !next) return null;
  return (
    <nav className="pager" aria-label="Pages">
      <button type="button" disabled={!back} onClick={back}>
        Previous
      </button>
      <span role="status">Page {number}</span>
      <button type="button" disabled={!next} onClick={next}>
        Next
      </button>
    </nav>
  );
}
