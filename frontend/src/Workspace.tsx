import { useEffect } from "react";
import { UserButton } from "@clerk/react";
import { ErrorBoundary } from "./components/ErrorBoundary";
import { LiveStrip } from "./components/LiveStrip";
import { Logo } from "./components/Logo";
import { useFocus } from "./hooks/useFocus";
import { PAGES, useRoute } from "./hooks/useRoute";
import { useWebhookEvents } from "./hooks/useWebhookEvents";
import { AccountPage } from "./pages/AccountPage";
import { ApiKeysPage } from "./pages/ApiKeysPage";
import { CampaignPage } from "./pages/CampaignPage";
import { CampaignsPage } from "./pages/CampaignsPage";
import { SessionsPage } from "./pages/SessionsPage";
import { UsagePage } from "./pages/UsagePage";

export function Workspace() {
  const [section = "", id] = useRoute();
  const feed = useWebhookEvents();
  const route = `${section}/${id}`;
  const main = useFocus(route);
  // What is no page of ours, as a step of Clerk's sign-in that is over, shows the account.
  const [current, title] = PAGES.find(([name]) => name === section) ?? PAGES[0];

  useEffect(() => {
    document.title = `${title} · Counterfoil`;
    return () => void (document.title = "Counterfoil");
  }, [title]);

  return (
    <>
      <button type="button" className="skip" onClick={() => main.current?.focus()}>
        Skip to content
      </button>
      <header className="masthead">
        <a className="brand" href="#/">
          <Logo />
          Counterfoil
        </a>
        <nav aria-label="Main">
          {PAGES.map(([name, label]) => (
            <a key={name} href={`#/${name}`} aria-current={name === current ? "page" : undefined}>
              {label}
            </a>
          ))}
        </nav>
        <div className="user">
          <UserButton />
        </div>
      </header>
      <LiveStrip feed={feed} />
      <main ref={main} tabIndex={-1}>
        <ErrorBoundary key={route}>
          {current === "" && <AccountPage newestEvent={feed.events?.[0]?.event_id} />}
          {current === "usage" && <UsagePage />}
          {current === "campaigns" && (id ? <CampaignPage id={id} /> : <CampaignsPage />)}
          {current === "keys" && <ApiKeysPage />}
          {current === "sessions" && <SessionsPage />}
        </ErrorBoundary>
      </main>
    </>
  );
}
