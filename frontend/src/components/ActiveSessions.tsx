import { useClerk } from "@clerk/react";
import { useAction } from "../hooks/useAction";
import { useResource } from "../hooks/useResource";
import { formatMoment } from "../format";
import { ConfirmButton } from "./ConfirmButton";
import { FailureNotice } from "./FailureNotice";
import { Loaded } from "./Loaded";

type Clerk = ReturnType<typeof useClerk>;
type Session = Awaited<ReturnType<NonNullable<Clerk["user"]>["getSessions"]>>[number];

/** Where this user is signed in, as Clerk knows it. */
export function ActiveSessions({ currentId }: { currentId: string }) {
  const clerk = useClerk();
  const sessions = useResource(`sessions ${currentId}`, () => fetchSessions(clerk));
  const revoke = useAction(async (_, session: Session) => {
    await session.revoke();
    sessions.reload();
  });

  return (
    <section className="panel" aria-labelledby="everywhere">
      <h2 id="everywhere">Signed in on</h2>
      <FailureNotice error={revoke.error} retry={revoke.retry} />
      <Loaded resource={sessions}>
        {(all) => (
          <ul className="rows" tabIndex={-1} aria-label="Active sessions">
            {all.filter(isActive).map((session) => (
              <li key={session.id}>
                <div className="row-text">
                  <p>
                    <strong>{deviceOf(session)}</strong>
                    {session.id === currentId && <span className="pill pill-strong">this one</span>}
                  </p>
                  <p className="fine">
                    Last active {formatMoment(session.lastActiveAt.toISOString())} · <code>{session.id}</code>
                  </p>
                </div>
                {session.id !== currentId && (
                  <ConfirmButton
                    label="Revoke"
                    question="Revoke it?"
                    about={`${deviceOf(session)}, ${session.id}`}
                    isBusy={revoke.isBusy}
                    onConfirm={() => revoke.run(session)}
                  />
                )}
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </section>
  );
}

/** Without an answer Clerk's SDK gives an empty list, and keeps it with its user; this session is in every other one. */
async function fetchSessions(clerk: Clerk): Promise<Session[]> {
  const kept = (await clerk.user?.getSessions()) ?? [];
  if (kept.length > 0) return kept;
  await clerk.client?.reload(); // The SDK then has a new user. Fails while Clerk is away.
  const sessions = (await clerk.user?.getSessions()) ?? [];
  if (sessions.length === 0) throw new Error("Clerk did not list the sessions");
  return sessions;
}

/** Clerk's SDK asks once and keeps its list, with those that were revoked since. */
function isActive({ status }: Session): boolean {
  return status === "active";
}

function deviceOf({ latestActivity }: Session): string {
  const { browserName, deviceType, isMobile } = latestActivity;
  return [browserName ?? "A browser", deviceType ?? (isMobile ? "phone" : null)].filter(Boolean).join(" on ");
}
