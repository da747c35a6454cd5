import { formatCount } from "../format";

type Props = { label: string; value: number; max: number };

/** How much of a quota is used. After a change to a smaller plan it may be more than all. */
export function Meter({ label, value, max }: Props) {
  const share = max > 0 ? Math.min(value / max, 1) : 1;
  return (
    <div
      className="meter"
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={max}
      aria-valuenow={Math.min(value, max)}
      aria-valuetext={`${formatCount(value)} of ${formatCount(max)}`}
      data-level={share >= 0.9 ? "high" : undefined}
    >
      <span style={{ inlineSize: `${share * 100}%` }} />
    </div>
  );
}
