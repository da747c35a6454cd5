import { useEffect, useState } from "react";
import { useApi, type Api } from "../api/ApiProvider";
import { isNotFound } from "../api/failures";

export type WebhookEvent = Awaited<ReturnType<typeof fetchEvents>>[number];

/** `events` is null until the first answer, and for good when this API does not tell. */
export type WebhookFeed = { events: WebhookEvent[] | null; isInterrupted: boolean };

const EACH_MS = 1_000;
const LONGEST_MS = 30_000;

/** Clerk's webhooks about this user, newest first. Asks each second while the page is visible, once at a time. */
export function useWebhookEvents(): WebhookFeed {
  const { api, report } = useApi();
  const [feed, setFeed] = useState<WebhookFeed>({ events: null, isInterrupted: false });

  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;

    async function follow() {
      let wait = EACH_MS;
      while (!signal.aborted) {
        try {
          const events = await fetchEvents(api, signal);
          setFeed((old) => (isSame(old, events) ? old : { events, isInterrupted: false }));
          wait = EACH_MS;
        } catch (error) {
          if (signal.aborted || isNotFound(error)) return;
          report(error);
          setFeed((old) => ({ ...old, isInterrupted: true }));
          wait = Math.min(wait * 2, LONGEST_MS);
        }
        await pause(wait, signal);
        await untilVisible(signal);
      }
    }

    void follow();
    return () => controller.abort();
  }, [api, report]);

  return feed;
}

async function fetchEvents(api: Api, signal: AbortSignal) {
  return (await api.get("/api/me/events", { signal })).data.data;
}

function isSame({ events, isInterrupted }: WebhookFeed, fresh: WebhookEvent[]): boolean {
  return !isInterrupted && JSON.stringify(events) === JSON.stringify(fresh);
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

async function untilVisible(signal: AbortSignal): Promise<void> {
  while (document.hidden && !signal.aborted) {
    await new Promise<unknown>((resolve) => {
      document.addEventListener("visibilitychange", resolve, { once: true, signal });
      signal.addEventListener("abort", resolve, { once: true });
    });
  }
}
