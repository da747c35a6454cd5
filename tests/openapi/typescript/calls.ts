/** What a page does with the client. `node calls.js URL SCENARIO CACHED FRESH` prints what came of it. */

import { ApiError, createApi, type Problem, type Schemas } from "../../../frontend/src/api/client.js";

declare const process: { argv: [string, string, string, string, string, string] };
const [, , url, scenario, cached, fresh] = process.argv;

const waits: number[] = [];
const startTimer = globalThis.setTimeout;
globalThis.setTimeout = ((work: () => void, milliseconds: number) => {
  waits.push(milliseconds);
  return startTimer(work, milliseconds);
}) as typeof setTimeout;

const timeouts: number[] = [];
const startTimeout = AbortSignal.timeout.bind(AbortSignal);
AbortSignal.timeout = (milliseconds) => {
  timeouts.push(milliseconds);
  return startTimeout(milliseconds);
};

const api = createApi(async (options) => (options?.skipCache ? fresh : cached) || null, url);
const left = new AbortController();
const DRAFT: Schemas["KeyIn"] = { name: "Spring & sale", scopes: ["profile:read"] };

async function nameOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "no error",
    (error: Error) => error.name,
  );
}

async function problemOf(call: Promise<unknown>): Promise<[number, Problem["code"] | undefined]> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ApiError) return [error.response.status, error.problem?.code];
    throw error;
  }
  throw new Error("no problem");
}

const scenarios: Record<string, () => Promise<unknown>> = {
  async life() {
    const made = await api.post("/api/keys", { body: DRAFT });
    const path = { key_id: made.data.key_id };
    const scopes: Schemas["KeyOut"]["scopes"] = (await api.get("/api/keys/{key_id}", { path })).data.scopes;
    const query = { limit: 1, cursor: undefined };
    const { keys, next_cursor } = (await api.get("/api/keys", { query })).data;
    const gone: { data: undefined } = await api.delete("/api/keys/{key_id}", { path });
    const names: string[] = keys.map((key) => key.name);
    return { scopes, names, next_cursor, gone: gone.data === undefined };
  },
  /** A value that would be two of them, were it not encoded. */
  encoded: () => problemOf(api.get("/protected", { query: { session_id: "Spring &x=1" } })),
  missing: () => problemOf(api.get("/api/keys/{key_id}", { path: { key_id: 404 } })),
  foreign: () => problemOf(api.get("/healthz")),
  me: async () => (await api.get("/api/me")).data.user.clerk_user_id,
  frozen: () => nameOf(createApi(async () => fresh, url, 200).get("/api/me", { signal: left.signal })),
  async left() {
    const call = nameOf(api.get("/api/me", { signal: left.signal }));
    left.abort();
    return call;
  },
  refused: () => problemOf(api.get("/api/me")),
  create: async () => (await api.post("/api/keys", { body: DRAFT })).data.name,
  "create-refused": () => problemOf(api.post("/api/keys", { body: DRAFT })),
  "create-with-key": async () =>
    (await api.post("/api/keys", { body: DRAFT, header: { "Idempotency-Key": "mine" } })).data.name,
  "change-refused": () => problemOf(api.patch("/api/me", { body: { bio: "new" } })),
};

console.log(JSON.stringify({ result: await scenarios[scenario]?.(), waits, timeouts }));
