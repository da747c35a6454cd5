import { useEffect, useState } from "react";
import { SignIn, SignUp, useAuth } from "@clerk/react";
import type { Ending } from "../api/ApiProvider";
import { Logo } from "../components/Logo";
import { TornTicket } from "../components/TornTicket";
import { PAGES, redirect, useIsSignUp, useRoute } from "../hooks/useRoute";

const ENDINGS: Record<Ending["code"], string> = {
  "session-revoked": "Your session has ended. Sign in again to go on.",
  "user-deleted": "This account was deleted.",
};

// Clerk's SDK does not say that a sign-out of its own user menu failed.
const PATIENCE_MS = 5_000;

type Props = { isLocal: boolean; isSigningOut: boolean; ending: Ending | null };

export function Welcome({ isLocal, isSigningOut, ending }: Props) {
  const isSignUp = useIsSignUp();
  const isReady = useHashForClerk();
  return (
    <main className="welcome">
      <div className="welcome-text">
        <p className="brand">
          <Logo />
          Counterfoil
        </p>
        <h1>
          <span>Clerk signs you in.</span> <span>The stub stays with you.</span>
        </h1>
        <p className="lead">
          Every user, plan and token has a row in your own PostgreSQL, in step with Clerk by its webhooks. Sign in and
          see yours.
        </p>
        <TornTicket />
        {isLocal && (
          <p className="hint">
            A local Clerk runs here: any e-mail address works, and the code is always <code>424242</code>.
          </p>
        )}
      </div>
      <div className="welcome-form">
        {ending && (
          <div className="notice" role="alert">
            <p>
              <strong>{ENDINGS[ending.code]}</strong>
              <code>{ending.code}</code>
            </p>
          </div>
        )}
        {isSigningOut && <SigningOut />}
        {isReady && !isSigningOut && (isSignUp ? <SignUp routing="hash" /> : <SignIn routing="hash" />)}
      </div>
    </main>
  );
}

/** Until Clerk has confirmed it: without that, a reload brings the session back. */
function SigningOut() {
  const { signOut } = useAuth();
  const [attempt, setAttempt] = useState(1);
  const [late, setLate] = useState(0);

  useEffect(() => {
    const timer = setTimeout(() => setLate(attempt), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [attempt]);

  function retry() {
    setAttempt(attempt + 1);
    void signOut().catch(() => undefined);
  }

  if (late < attempt) {
    return (
      <p className="loading" role="status">
        Signing out …
      </p>
    );
  }
  return (
    <div className="notice notice-failure" role="alert">
      <p>
        <strong>Not signed out yet</strong>
      </p>
      <p>Clerk has not confirmed it: whoever reloads this page may be signed in again. Check the network.</p>
      <button type="button" onClick={retry}>
        Try again
      </button>
    </div>
  );
}

/** Clerk's forms keep their steps behind the # too, and show nothing at a page of ours: leave that first. */
function useHashForClerk(): boolean {
  const [section = ""] = useRoute();
  const isOurs = section !== "" && PAGES.some(([name]) => name === section);
  useEffect(() => {
    if (isOurs) redirect(window.location.pathname + window.location.search);
  }, [isOurs]);
  return !isOurs;
}
