import { useEffect, useRef, useState } from "react";
import type { WebhookEvent, WebhookFeed } from "../hooks/useWebhookEvents";
import { formatClock } from "../format";

const OUTCOMES: Record<string, string> = {
  applied: "row written",
  stale: "row was newer",
  ignored: "not used",
  dead: "kept aside",
  failed: "comes again",
};

/** Clerk's webhooks as they come in, and what each did to the database. */
export function LiveStrip({ feed: { events, isInterrupted } }: { feed: WebhookFeed }) {
  const news = useNews(events);
  if (!events) return null;
  return (
    <section className="strip" aria-label="Webhooks, live">
      <p className="strip-title">
        <span className={isInterrupted ? "pulse pulse-off" : "pulse"} aria-hidden="true" />
        {isInterrupted ? "Reconnecting" : "Live"}
      </p>
      <p className="visually-hidden" aria-live="polite">
        {news}
      </p>
      {events.length === 0 ? (
        <p className="strip-empty">No webhook yet. Change something in your profile and watch it arrive.</p>
      ) : (
        <ol tabIndex={0} aria-label="Newest first">
          {events.map((event) => (
            <Stub key={event.event_id} event={event} />
          ))}
        </ol>
      )}
    </section>
  );
}

function Stub({ event }: { event: WebhookEvent }) {
  const outcome = OUTCOMES[event.status] ?? event.status;
  return (
    <li className="stub" data-status={event.status} data-type={event.type}>
      <p className="stub-head">
        <code>{event.type}</code>
        <time dateTime={event.received_at}>{formatClock(event.received_at)}</time>
      </p>
      <p className="stub-path">
        <span>received</span>
        <span className="stub-time">{duration(event)}</span>
        <span className="stub-outcome">{outcome}</span>
      </p>
    </li>
  );
}

/** A sentence for screen readers about what came since the page was opened. */
function useNews(events: WebhookEvent[] | null): string {
  const known = useRef<string | null>(null);
  const [news, setNews] = useState("");
  useEffect(() => {
    if (!events) return;
    const newest = events[0];
    if (newest && known.current !== null && known.current !== newest.event_id) {
      setNews(`Webhook ${newest.type}: ${OUTCOMES[newest.status] ?? newest.status}, ${duration(newest)}.`);
    }
    known.current = newest?.event_id ?? "";
  }, [events]);
  return news;
}

function duration({ received_at, processed_at }: WebhookEvent): string {
  if (!processed_at) return "…";
  return `${Date.parse(processed_at) - Date.parse(received_at)} ms`;
}
