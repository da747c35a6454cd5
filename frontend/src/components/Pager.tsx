type Props = {
  number: number;
  isTurning: boolean;
  back: (() => void) | undefined;
  next: (() => void) | undefined;
};

/** Nothing when there is one page only. */
export function Pager({ number, isTurning, back, next }: Props) {
  if (!back && !next && !isTurning) return null;
  return (
    <nav className="pager" aria-label="Pages" aria-busy={isTurning}>
      <button type="button" aria-disabled={!back} onClick={back}>
        Previous
      </button>
      <span role="status">Page {number}</span>
      <button type="button" aria-disabled={!next} onClick={next}>
        Next
      </button>
    </nav>
  );
}
