import { useEffect, useState } from "react";
import { ClerkFailed, ClerkLoaded, ClerkLoading, useAuth } from "@clerk/react";
import { ApiProvider, type Ending } from "./api/ApiProvider";
import { Workspace } from "./Workspace";
import { ClerkMissing } from "./pages/StartFailed";
import { Welcome } from "./pages/Welcome";

type Props = { isLocal: boolean };

export function App({ isLocal }: Props) {
  return (
    <>
      <ClerkLoading>
        <p className="splash" role="status">
          Loading …
        </p>
      </ClerkLoading>
      <ClerkFailed>
        <ClerkMissing />
      </ClerkFailed>
      <ClerkLoaded>
        <SignedInOrOut isLocal={isLocal} />
      </ClerkLoaded>
    </>
  );
}

/** A session ends at Clerk or at the API, and either may hear of it first: both lead to the welcome page. */
function SignedInOrOut({ isLocal }: Props) {
  const { sessionId, signOut } = useAuth();
  const [ending, setEnding] = useState<Ending | null>(null);
  const isEnded = ending !== null && ending.sessionId === sessionId;
  // Clerk's SDK drops the session, then asks Clerk, and says null only when that is done.
  const [known, setKnown] = useState(sessionId);
  if (sessionId !== undefined && sessionId !== known) setKnown(sessionId);
  const isLeaving = sessionId === undefined && known !== undefined && known !== null;

  useEffect(() => {
    // A Clerk that forgot this browser, as the local one after `reset`, refuses once: then the SDK has a new identity.
    if (isEnded) void signOut().catch(() => signOut()).catch(() => undefined);
    else if (sessionId) setEnding(null);
  }, [isEnded, sessionId, signOut]);

  if (!sessionId || isEnded) {
    return <Welcome isLocal={isLocal} isSigningOut={isEnded || isLeaving} ending={ending} />;
  }
  return (
    <ApiProvider key={sessionId} sessionId={sessionId} onEnd={setEnding}>
      <Workspace />
    </ApiProvider>
  );
}
