import { createContext, use, useMemo, type ReactNode } from "react";
import { useAuth } from "@clerk/react";
import { ApiError, createApi } from "./client";

export type Api = ReturnType<typeof createApi>;

/** Why the API will never again accept this session. */
export type Ending = { sessionId: string; code: "session-revoked" | "user-deleted" };

type Context = { api: Api; report: (error: unknown) => void };
type Props = { sessionId: string; onEnd: (ending: Ending) => void; children: ReactNode };

const ApiContext = createContext<Context | null>(null);

export function ApiProvider({ sessionId, onEnd, children }: Props) {
  const { getToken } = useAuth();
  const context = useMemo<Context>(() => {
    const report = (error: unknown) => {
      const code = error instanceof ApiError ? error.problem?.code : undefined;
      if (code === "session-revoked" || code === "user-deleted") onEnd({ sessionId, code });
    };
    return { api: createApi(getToken), report };
  }, [getToken, sessionId, onEnd]);
  return <ApiContext value={context}>{children}</ApiContext>;
}

/** The API as the signed-in user. Tell `report` of every error: some of them end the session. */
export function useApi(): Context {
  const context = use(ApiContext);
  if (!context) throw new Error("useApi() outside of <ApiProvider>");
  return context;
}
