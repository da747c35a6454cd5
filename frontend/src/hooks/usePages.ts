import { useState } from "react";
import type { Api } from "../api/ApiProvider";
import { useResource } from "./useResource";

type Load<T> = (api: Api, cursor: string | undefined, signal: AbortSignal) => Promise<T>;

/** A list by pages. A cursor leads on only; the way back is the cursors that were used. */
export function usePages<T extends { next_cursor: string | null }>(name: string, load: Load<T>) {
  const [cursors, setCursors] = useState<string[]>([]);
  const cursor = cursors.at(-1);
  const page = useResource(`${name} ${cursor}`, (api, signal) => load(api, cursor, signal));
  const next = page.data?.next_cursor;
  return {
    page,
    number: cursors.length + 1,
    back: cursors.length > 0 ? () => setCursors(cursors.slice(0, -1)) : undefined,
    next: next ? () => setCursors([...cursors, next]) : undefined,
  };
}
