import { useClerk } from "@clerk/react";
import { ActiveSessions } from "../components/ActiveSessions";
import { ConfirmButton } from "../components/ConfirmButton";
import { FailureNotice } from "../components/FailureNotice";
import { Loaded } from "../components/Loaded";
import { useAction } from "../hooks/useAction";
import { useResource } from "../hooks/useResource";

export function SessionsPage() {
  const { session } = useClerk();
  if (!session) return null;
  return (
    <>
      <h1>Sessions</h1>
      <CurrentSession id={session.id} />
      <ActiveSessions currentId={session.id} />
    </>
  );
}

/** A token is good for a minute after its session ended. Where that is too long, the backend asks Clerk. */
function CurrentSession({ id }: { id: string }) {
  const { signOut } = useClerk();
  const check = useResource(`live ${id}`, async (api, signal) => {
    return (await api.get("/protected", { query: { session_id: id }, signal })).data;
  });
  const leave = useAction(() => signOut()); // The welcome page tells of a failure.
  const end = useAction(async ({ api }) => {
    await api.post("/api/sessions/revoke", { body: {} });
    await api.get("/api/me"); // refused from now on, which leads to the welcome page
  });

  return (
    <section className="panel" aria-labelledby="current">
      <h2 id="current">This session</h2>
      <dl className="facts">
        <div>
          <dt>session_id</dt>
          <dd>
            <code>{id}</code>
          </dd>
        </div>
      </dl>
      <Loaded resource={check}>
        {({ message }) => (
          <p role="status">
            <span className="pill pill-strong">active</span> Clerk was asked just now. The backend says “{message}”.
          </p>
        )}
      </Loaded>
      <FailureNotice error={end.error} retry={end.retry} />
      <div className="actions">
        <button type="button" onClick={check.reload}>
          Check again
        </button>
        <button type="button" aria-disabled={leave.isBusy} onClick={leave.run}>
          Sign out
        </button>
        <ConfirmButton
          label="End at the backend"
          question="End this session?"
          about="this session"
          isBusy={end.isBusy}
          onConfirm={end.run}
        />
      </div>
    </section>
  );
}
