import { useState } from "react";
import { useApi, type Api } from "../api/ApiProvider";

type State = { isBusy: boolean; error?: unknown; retry?: () => void };

/**
 * What a button does. `idempotencyKey` is one for each click: a retry whose first answer got lost does the work once.
 */
export function useAction<Arguments extends unknown[]>(
  work: (call: { api: Api; idempotencyKey: string }, ...given: Arguments) => Promise<unknown>,
) {
  const { api, report } = useApi();
  const [state, setState] = useState<State>({ isBusy: false });

  async function attempt(idempotencyKey: string, given: Arguments) {
    setState({ isBusy: true });
    try {
      await work({ api, idempotencyKey }, ...given);
      setState({ isBusy: false });
    } catch (error) {
      report(error);
      setState({ isBusy: false, error, retry: () => void attempt(idempotencyKey, given) });
    }
  }

  return { ...state, run: (...given: Arguments) => void attempt(crypto.randomUUID(), given) };
}
