import { StrictMode, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { ClerkProvider } from "@clerk/react";
import { App } from "./App";
import { loadConfig } from "./config";
import { navigate, redirect } from "./hooks/useRoute";
import { StartFailed } from "./pages/StartFailed";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/layout.css";
import "./styles/parts.css";
import "./styles/pictures.css";
import "./styles/strip.css";
import "./styles/ticket.css";

const root = createRoot(document.getElementById("root")!);

/** Which Clerk instance this is, only the server knows: the same build runs with every one. */
async function start() {
  try {
    const { publishableKey, proxyUrl } = await loadConfig();
    render(
      <ClerkProvider
        publishableKey={publishableKey}
        {...(proxyUrl && { proxyUrl })}
        telemetry={false}
        signInUrl="/"
        signUpUrl="/?sign-up"
        routerPush={navigate}
        routerReplace={redirect}
      >
        <App isLocal={proxyUrl !== null} />
      </ClerkProvider>,
    );
  } catch (error) {
    render(<StartFailed error={error} retry={start} />);
  }
}

function render(page: ReactNode) {
  root.render(<StrictMode>{page}</StrictMode>);
}

void start();
