import type { useUser } from "@clerk/react";
import { useAction } from "../hooks/useAction";
import { useResource } from "../hooks/useResource";
import { formatMoment } from "../format";
import { ConfirmButton } from "./ConfirmButton";
import { FailureNotice } from "./FailureNotice";
import { Loaded } from "./Loaded";

type User = NonNullable<ReturnType<typeof useUser>["user"]>;
type Session = Awaited<ReturnType<User["getSessions"]>>[number];
type Props = { user: User; currentId: string };

/** Where this user is signed in, as Clerk knows it. */
export function ActiveSessions({ user, currentId }: Props) {
  const sessions = useResource(`sessions ${user.id}`, () => user.getSessions());
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

/** Clerk's SDK asks once and keeps its list, with those that were revoked since. */
function isActive({ status }: Session): boolean {
  return status === "active";
}

function deviceOf({ latestActivity }: Session): string {
  const { browserName, deviceType, isMobile } = latestActivity;
  return [browserName ?? "A browser", deviceType ?? (isMobile ? "phone" : null)].filter(Boolean).join(" on ");
}
