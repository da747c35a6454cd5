import { isClerkAPIResponseError } from "@clerk/react/errors";
import { formatCount, formatDay } from "../format";
import { ApiError, type Problem } from "./client";

/** An error, as it is shown. */
export type Failure = { title: string; detail: string; code?: string; requestId?: string; advice?: string };

/** A page of ours threw while it was drawn. */
export class RenderError extends Error {}

const ADVICE: Partial<Record<Problem["code"], string>> = {
  forbidden: "Your role, plan or kind of sign-in does not allow this.",
  "user-banned": "Ask whoever runs this application.",
};

export function describeFailure(error: unknown): Failure {
  if (error instanceof ApiError) return describeAnswer(error);
  if (isClerkAPIResponseError(error)) return describeClerk(error);
  if (error instanceof RenderError) {
    return {
      title: "This page failed",
      detail: "A fault in this page keeps it from being shown. Try again, or reload it; the other pages still work.",
    };
  }
  return {
    title: "No connection",
    detail: "The server could not be reached. Check the network, then try again.",
  };
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.response.status === 404;
}

export function hasCode(error: unknown, code: Problem["code"]): boolean {
  return error instanceof ApiError && error.problem?.code === code;
}

/** The messages of a 422 by the path of their value; "" is for the whole. */
export function fieldErrors(error: unknown): Record<string, string> {
  const errors = (error instanceof ApiError && error.problem?.errors) || [];
  return Object.fromEntries(errors.map(({ path, message }) => [path, readable(message)]));
}

function describeAnswer({ problem, response, message }: ApiError): Failure {
  if (!problem) return { title: "Unexpected answer", detail: message, code: String(response.status) };
  const advice = problem.code === "quota-exceeded" ? quotaAdvice(problem) : ADVICE[problem.code];
  return {
    title: problem.title,
    detail: problem.detail,
    code: problem.code,
    requestId: problem.request_id,
    ...(advice && { advice }),
  };
}

function describeClerk({ errors }: { errors: { code: string; message: string; longMessage?: string }[] }): Failure {
  const first = errors[0];
  return {
    title: "Clerk refused",
    detail: first?.longMessage ?? first?.message ?? "Clerk did not say why.",
    ...(first && { code: first.code }),
  };
}

/** Only what `detail` does not say. */
function quotaAdvice({ used = 0, limit = 0, resets_at }: Problem): string {
  const said = `${formatCount(used)} of ${formatCount(limit)} are used.`;
  return resets_at ? `${said} The count starts again on ${formatDay(resets_at)}.` : said;
}

/** The validator's words for people: "Value error, " marks a sentence of ours; a regular expression helps nobody. */
function readable(message: string): string {
  if (message.startsWith("String should match pattern")) return "Does not have the expected form";
  const sentence = message
    .replace(/^Value error, /, "")
    .replace(/^(String|List|Dictionary|Input) should/, "Should")
    .replace(/ after validation, not \d+$/, "");
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
