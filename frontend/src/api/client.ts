/** Calls the API with the types of its OpenAPI description; `make client` writes schema.d.ts anew. */

import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Problem = Schemas["Problem"];

/** As Clerk's `useAuth()` gives it. */
export type GetToken = (options?: { skipCache?: boolean }) => Promise<string | null>;

type Method = "get" | "post" | "patch" | "delete";
type PathWith<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, object> ? P : never }[keyof paths];
type Json<T> = T extends { content: { "application/json": infer J } } ? J : undefined;
type Parameters<O> = O extends { parameters: infer P } ? Omit<P, "cookie"> : never;
type Body<O> = { [K in keyof O as K extends "requestBody" ? "body" : never]: Json<O[K]> };
type Options<O> = Parameters<O> & Body<O> & { signal?: AbortSignal };
type Rest<O> = {} extends Options<O> ? [options?: Options<O>] : [options: Options<O>];
type Data<O> = O extends { responses: infer R } ? Json<R[keyof R & (200 | 201 | 204)]> : never;

type Values = Record<string, string | number | boolean | null | undefined>;
type Untyped = { path?: Values; query?: Values; header?: Values; body?: unknown; signal?: AbortSignal };
type Prepared = RequestInit & { headers: Headers; timeoutMs: number };

// The API gives a request up after 10 s (REQUEST_TIMEOUT) and says so: this is for one that says nothing any more.
const TIMEOUT_MS = 15_000;
// Whoever looks at a page waits no longer than this; a longer Retry-After is the caller's to show.
const LONGEST_WAIT_SECONDS = 10;

/** Any answer but a 2xx. `problem` is null when it is not the API's own, as from a proxy in between. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly response: Response;
  readonly problem: Problem | null;

  constructor(response: Response, problem: Problem | null) {
    super(problem?.detail ?? `The API answered ${response.status}.`);
    this.response = response;
    this.problem = problem;
  }
}

/**
 * `baseUrl` without a slash at its end; without one, the API is where the page came from. A request without an answer
 * fails after `timeoutMs`, as one without a connection does.
 */
export function createApi(getToken: GetToken, baseUrl = "", timeoutMs = TIMEOUT_MS) {
  const caller =
    <M extends Method>(method: M) =>
    async <P extends PathWith<M>>(path: P, ...[options]: Rest<paths[P][M]>) => {
      const sent: Untyped = options ?? {};
      const response = await sendPatiently(baseUrl + fill(path, sent), prepare(method, sent, timeoutMs), getToken);
      if (!response.ok) throw new ApiError(response, await readProblem(response));
      const data = isType(response, "application/json") ? await response.json() : undefined;
      return { data: data as Data<paths[P][M]>, response };
    };
  return { get: caller("get"), post: caller("post"), patch: caller("patch"), delete: caller("delete") };
}

function fill(path: string, { path: ids = {}, query }: Untyped): string {
  const filled = path.replace(/{(\w+)}/g, (_, name: string) => encodeURIComponent(String(ids[name])));
  const search = new URLSearchParams(present(query)).toString();
  return search ? `${filled}?${search}` : filled;
}

function prepare(method: Method, { header, body, signal }: Untyped, timeoutMs: number): Prepared {
  const headers = new Headers(present(header));
  if (method === "post" && !headers.has("Idempotency-Key")) headers.set("Idempotency-Key", crypto.randomUUID());
  if (body !== undefined) headers.set("Content-Type", "application/json");
  return { method: method.toUpperCase(), headers, body: JSON.stringify(body), signal: signal ?? null, timeoutMs };
}

function present(values: Values = {}): [string, string][] {
  return Object.entries(values).flatMap(([name, value]) => (value == null ? [] : [[name, String(value)]]));
}

/** Once more after a 503 or 429, where a repetition does no harm. */
async function sendPatiently(url: string, request: Prepared, getToken: GetToken): Promise<Response> {
  const answer = await sendWithToken(url, request, getToken);
  const seconds = Number(answer.headers.get("Retry-After") ?? NaN);
  const isSafe = request.method === "GET" || request.headers.has("Idempotency-Key");
  if (![429, 503].includes(answer.status) || !isSafe || !(seconds <= LONGEST_WAIT_SECONDS)) return answer;
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return sendWithToken(url, request, getToken);
}

/** Once more when the token ran out on its way. */
async function sendWithToken(url: string, request: Prepared, getToken: GetToken): Promise<Response> {
  const send = (token: string | null) => {
    if (token) request.headers.set("Authorization", `Bearer ${token}`);
    return fetch(url, { ...request, signal: timed(request) });
  };
  const answer = await send(await getToken());
  const isExpired = answer.status === 401 && (await readProblem(answer.clone()))?.code === "token-expired";
  return isExpired ? send(await getToken({ skipCache: true })) : answer;
}

/** Each attempt has the whole time. */
function timed({ signal, timeoutMs }: Prepared): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMs);
  return signal ? AbortSignal.any([signal, timeout]) : timeout;
}

async function readProblem(response: Response): Promise<Problem | null> {
  if (!isType(response, "application/problem+json")) return null;
  return (response.json() as Promise<Problem>).catch(() => null);
}

function isType(response: Response, type: string): boolean {
  return response.headers.get("Content-Type")?.startsWith(type) ?? false;
}
