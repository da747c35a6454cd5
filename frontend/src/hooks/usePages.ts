import { useState } from "react";
import type { Api } from "../api/ApiProvider";
import { useResource } from "./useResource";

type Load<T> = (api: Api, cursor: string | undefined, signal: AbortSignal) => Promise<T>;

/** A list by pages. A cursor leads on only; the way back is the cursors that were used. */
export function usePages<T extends { next_cursor: string | null }>(name: string, load: Load<T>) {
  const [cursors, setCursors] = useState<string[]>([]);
  const cursor = cursors.at(-1);
  const page = useResource(`${name} ${cursor}`, async (api, signal) => {
    return { ...(await load(api, cursor, signal)), cursor };
  });
  // Until the answer comes, the page before is shown, whose next one is the one that was asked for.
  const isShown = page.data?.cursor === cursor;
  const isTurning = page.data !== undefined && !isShown && page.error === undefined;
  const next = isShown && page.data?.next_cursor;
  return {
    page,
    number: cursors.length + 1,
    isTurning,
    back: cursors.length > 0 && !isTurning ? () => setCursors(cursors.slice(0, -1)) : undefined,
    next: next ? () => setCursors([...cursors, next]) : undefined,
  };
}
