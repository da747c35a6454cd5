import { useEffect, useRef, useState } from "react";
import { useApi, type Api } from "../api/ApiProvider";

type State = { isBusy: boolean; error?: unknown; retry?: () => void };

/**
 * What a button does, once at a time. `idempotencyKey` is one for each click: a retry whose first answer got lost does
 * the work once. `whenDone` is left out when the user went elsewhere meanwhile.
 */
export function useAction<Arguments extends unknown[]>(
  work: (call: { api: Api; idempotencyKey: string }, ...given: Arguments) => Promise<unknown>,
  whenDone?: () => void,
) {
  const { api, report } = useApi();
  const [state, setState] = useState<State>({ isBusy: false });
  const isHere = useRef(false);

  useEffect(() => {
    isHere.current = true;
    return () => void (isHere.current = false);
  }, []);

  async function attempt(idempotencyKey: string, given: Arguments) {
    setState({ isBusy: true });
    try {
      await work({ api, idempotencyKey }, ...given);
      setState({ isBusy: false });
      if (isHere.current) whenDone?.();
    } catch (error) {
      report(error);
      setState({ isBusy: false, error, retry: () => void attempt(idempotencyKey, given) });
    }
  }

  // Buttons stay enabled meanwhile: one that is disabled loses the focus.
  function run(...given: Arguments) {
    if (!state.isBusy) void attempt(crypto.randomUUID(), given);
  }

  return { ...state, run };
}
