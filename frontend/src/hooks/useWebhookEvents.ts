import { useEffect, useState } from "react";
import { useApi, type Api } from "../api/ApiProvider";
import { isNotFound } from "../api/failures";

export type WebhookEvent = Awaited<ReturnType<typeof fetchEvents>>[number];

/** `events` is null until the first answer, and for good when this API does not tell. */
export type WebhookFeed = { events: WebhookEvent[] | null; isInterrupted: boolean };

// Every request counts as one of the user's: where nothing happens, ask less.
const QUIET_SECONDS = 10;
const LIVELY_MS = 20_000;
const LONGEST_SECONDS = 30;
// A form sent with the Enter key is a click on its button too.
const STIRRING = ["click", "popstate", "visibilitychange"];

/**
 * Clerk's webhooks about this user, newest first. While the page is visible, asks each second for a while after
 * something happened, and seldom after that; once at a time.
 */
export function useWebhookEvents(): WebhookFeed {
  const { api, report } = useApi();
  const [feed, setFeed] = useState<WebhookFeed>({ events: null, isInterrupted: false });

  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    let livelyUntil = 0;
    const stir = () => (livelyUntil = Date.now() + LIVELY_MS);

    async function follow() {
      let shown = "";
      let atLeast = 1;
      while (!signal.aborted) {
        try {
          const events = await fetchEvents(api, signal);
          const fresh = JSON.stringify(events);
          if (fresh !== shown) {
            stir();
            setFeed({ events, isInterrupted: false });
          }
          shown = fresh;
          atLeast = 1;
        } catch (error) {
          if (signal.aborted || isNotFound(error)) return;
          report(error);
          setFeed((old) => ({ ...old, isInterrupted: true }));
          shown = "";
          atLeast = Math.min(atLeast * 2, LONGEST_SECONDS);
        }
        await untilDue(atLeast);
      }
    }

    async function untilDue(atLeast: number) {
      let seconds = 0;
      let due = atLeast;
      while (!signal.aborted && (seconds < due || document.hidden)) {
        await pause(1_000, signal);
        seconds += 1;
        due = Date.now() < livelyUntil ? atLeast : Math.max(atLeast, QUIET_SECONDS);
      }
    }

    STIRRING.forEach((type) => window.addEventListener(type, stir, { capture: true, signal }));
    stir();
    void follow();
    return () => controller.abort();
  }, [api, report]);

  return feed;
}

async function fetchEvents(api: Api, signal: AbortSignal) {
  return (await api.get("/api/me/events", { signal })).data.data;
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
