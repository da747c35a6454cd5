import type { CSSProperties } from "react";
import type { Schemas } from "../api/client";
import { formatCount, formatLongMonth, formatMonth } from "../format";

type Month = Schemas["MonthOut"];

const MONTHS = 12;
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });

/** Tokens of the last twelve months as bars, and as a table for whoever cannot see them. */
export function MonthlyBars({ history }: { history: Month[] }) {
  const months = lastMonths(history);
  const highest = Math.max(1, ...months.map(({ used }) => used));
  return (
    <figure className="bars" aria-label="Tokens of the last twelve months">
      <ol aria-hidden="true">
        {months.map(({ start, used }) => (
          <li key={start}>
            <span className="bar-space">
              {used > 0 && compact.format(used)}
              <span className="bar" style={{ "--share": used / highest } as CSSProperties} />
            </span>
            <span className="month">{formatMonth(start)}</span>
          </li>
        ))}
      </ol>
      <details>
        <summary>As a table</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">Month</th>
              <th scope="col">Tokens</th>
              <th scope="col">Limit</th>
              <th scope="col">Campaigns made</th>
              <th scope="col">Requests</th>
            </tr>
          </thead>
          <tbody>
            {history.map((month) => (
              <tr key={month.period_start}>
                <th scope="row">{formatLongMonth(month.period_start)}</th>
                <td>{formatCount(month.tokens_used)}</td>
                <td>{formatCount(month.tokens_limit)}</td>
                <td>{formatCount(month.campaigns_created)}</td>
                <td>{formatCount(month.api_requests)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}

/** Oldest first, ending with the current one. A month without requests has no row, and is one without tokens. */
function lastMonths(history: Month[]): { start: string; used: number }[] {
  const used = new Map(history.map((month) => [Date.parse(month.period_start), month.tokens_used]));
  const current = new Date(history[0]?.period_start ?? Date.now());
  return Array.from({ length: MONTHS }, (_, index) => {
    const start = Date.UTC(current.getUTCFullYear(), current.getUTCMonth() - MONTHS + 1 + index);
    return { start: new Date(start).toISOString(), used: used.get(start) ?? 0 };
  });
}
