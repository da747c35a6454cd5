import type { ReactNode } from "react";
import { FailureNotice } from "../components/FailureNotice";
import { KeyMissingError } from "../config";

/** Instead of the application, when the server's /config.json does not let it start. */
export function StartFailed({ error, retry }: { error: unknown; retry: () => void }) {
  if (!(error instanceof KeyMissingError)) {
    return (
      <Alone title="Counterfoil did not start">
        <FailureNotice error={error} retry={retry} />
      </Alone>
    );
  }
  return (
    <Alone title="One key is missing">
      <p>
        The server runs, but it does not know which Clerk instance signs its users in. Set{" "}
        <code>CLERK_PUBLISHABLE_KEY</code> in <code>.env</code> (from the Clerk dashboard, API keys), or leave it empty
        in development: <code>make run</code> then starts a local Clerk.
      </p>
      <button type="button" className="primary" onClick={retry}>
        Try again
      </button>
    </Alone>
  );
}

/** Instead of the application, when Clerk's script or its Frontend API cannot be had. */
export function ClerkMissing() {
  return (
    <Alone title="Clerk could not be loaded">
      <p>Sign-in comes from Clerk, and its script did not arrive. Check the network, then reload the page.</p>
      <button type="button" className="primary" onClick={() => window.location.reload()}>
        Reload
      </button>
    </Alone>
  );
}

function Alone({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="alone">
      <h1>{title}</h1>
      {children}
    </main>
  );
}
