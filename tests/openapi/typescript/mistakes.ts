/** What the types must refuse: each line names tsc's error. */

import { ApiError, createApi } from "../../../frontend/src/api/client.js";

const api = createApi(async () => null);
const path = { campaign_id: 1 };

await api.get("/api/campaign"); // TS2345: no such path
await api.post("/api/me"); // TS2345: no such method there
await api.get("/api/campaigns/{campaign_id}"); // TS2554: the id is missing
await api.get("/api/campaigns/{campaign_id}", { path: { id: 1 } }); // TS2353: another id
await api.get("/api/campaigns", { query: { page: 2 } }); // TS2353: no such parameter
await api.get("/api/campaigns", { query: { status: "gone" } }); // TS2322: no such status
await api.post("/api/campaigns", { body: { name: "Sale", chanel: "email" } }); // TS2561: a misspelt member
await api.post("/api/campaigns", { body: { name: "Sale" } }); // TS2322: neither channel nor template
await api.patch("/api/campaigns/{campaign_id}", { path, body: { budget: 5 } }); // TS2322: not a budget
await api.patch("/api/campaigns/{campaign_id}", { path, header: { "If-Math": "1" } }); // TS2353: no such header
(await api.get("/api/me")).data.user.mail; // TS2551: no such member of the answer
(error: ApiError) => error.problem?.code === "quota-exceded"; // TS2367: no such code
