/** What the types must refuse: each line names tsc's error. */

import { ApiError, createApi } from "../../../frontend/src/api/client.js";

const api = createApi(async () => null);

await api.get("/api/key"); // TS2345: no such path
await api.post("/api/me"); // TS2345: no such method there
await api.get("/api/keys/{key_id}"); // TS2554: the id is missing
await api.get("/api/keys/{key_id}", { path: { id: 1 } }); // TS2353: another id
await api.get("/api/keys", { query: { page: 2 } }); // TS2353: no such parameter
await api.get("/api/users", { query: { role: "king" } }); // TS2322: no such role
await api.post("/api/keys", { body: { name: "Sale", scope: [] } }); // TS2561: a misspelt member
await api.post("/api/keys", { body: { name: "Sale" } }); // TS2741: no scopes
await api.patch("/api/me", { body: { social_links: 5 } }); // TS2322: no links
await api.post("/api/keys", { header: { "Idempotency-Kay": "1" } }); // TS2353: no such header
(await api.get("/api/me")).data.user.mail; // TS2551: no such member of the answer
(error: ApiError) => error.problem?.code === "quota-exceded"; // TS2367: no such code
