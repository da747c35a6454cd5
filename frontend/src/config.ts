import { createApi } from "./api/client";

/** The server runs, and does not know its Clerk instance. */
export class KeyMissingError extends Error {
  override readonly name = "KeyMissingError";
}

export async function loadConfig() {
  const { data } = await createApi(async () => null).get("/config.json");
  if (!data.publishable_key) throw new KeyMissingError("The server has no CLERK_PUBLISHABLE_KEY.");
  return { publishableKey: data.publishable_key, proxyUrl: data.proxy_url };
}
