/** Numbers, times and money in the reader's language. */

export type Money = { amount_minor: number; currency: string };

const count = new Intl.NumberFormat();
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
// Months are the server's, in UTC: in the reader's zone the first of one may still be the last of another.
const month = new Intl.DateTimeFormat(undefined, { month: "short", timeZone: "UTC" });
const longMonth = new Intl.DateTimeFormat(undefined, { month: "long", year: "numeric", timeZone: "UTC" });

export const formatCount = (value: number) => count.format(value);
export const formatDay = (time: string) => day.format(new Date(time));
export const formatMoment = (time: string) => moment.format(new Date(time));
export const formatClock = (time: string) => clock.format(new Date(time));
export const formatMonth = (time: string) => month.format(new Date(time));
export const formatLongMonth = (time: string) => longMonth.format(new Date(time));

// Where browsers have fewer digits than ISO 4217, by which the API counts.
const ISO_DIGITS: Record<string, number> = { HUF: 2, IQD: 3, MGA: 2 };

function digitsOf(currency: string): number {
  const format = new Intl.NumberFormat("en", { style: "currency", currency });
  return ISO_DIGITS[currency] ?? format.resolvedOptions().maximumFractionDigits ?? 2;
}

export function formatMoney({ amount_minor, currency }: Money): string {
  const format = new Intl.NumberFormat(undefined, {
    style: "currency",
    currency,
    minimumFractionDigits: digitsOf(currency),
  });
  return format.format(amount_minor / 10 ** digitsOf(currency));
}

/** What an amount of this currency is counted in: 0.01, or 1 where there is nothing smaller. */
export function smallestAmount(currency: string): number {
  return 10 ** -digitsOf(currency);
}

/** As it is typed: 2500.00 */
export function toAmount({ amount_minor, currency }: Money): string {
  return (amount_minor / 10 ** digitsOf(currency)).toFixed(digitsOf(currency));
}

export function fromAmount(typed: string, currency: string): Money {
  return { amount_minor: Math.round(Number(typed) * 10 ** digitsOf(currency)), currency };
}

/** For <input type="datetime-local">, which knows no zone: the reader's own. */
export function toLocalInput(time: string | null): string {
  if (!time) return "";
  const date = new Date(time);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function fromLocalInput(typed: string): string | null {
  return typed ? new Date(typed).toISOString() : null;
}
