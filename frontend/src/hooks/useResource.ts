import { useEffect, useEffectEvent, useState } from "react";
import { useApi, type Api } from "../api/ApiProvider";

type State<T> = { data?: T; error?: unknown };

export type Resource<T> = State<T> & { reload: () => void; replace: (data: T) => void };

/** What a page shows. Loads again when `key` changes; what was there stays until the answer has come. */
export function useResource<T>(key: string, load: (api: Api, signal: AbortSignal) => Promise<T>): Resource<T> {
  const { api, report } = useApi();
  const [state, setState] = useState<State<T>>({});
  const [attempt, setAttempt] = useState(0);

  const start = useEffectEvent(async (signal: AbortSignal) => {
    try {
      const data = await load(api, signal);
      if (!signal.aborted) setState({ data });
    } catch (error) {
      if (signal.aborted) return;
      report(error);
      setState((old) => ({ ...old, error }));
    }
  });

  useEffect(() => {
    const controller = new AbortController();
    void start(controller.signal);
    return () => controller.abort();
  }, [key, attempt]);

  const reload = () => setAttempt((n) => n + 1);

  // A load that began before the change was made would bring back what was there: begin anew.
  function replace(data: T) {
    setState({ data });
    reload();
  }

  return { ...state, reload, replace };
}
