import { useSyncExternalStore } from "react";

/** The pages and their titles, by the first part of the route; the first one is the start page. */
export const PAGES = [
  ["", "Account"],
  ["usage", "Usage"],
  ["campaigns", "Campaigns"],
  ["keys", "API keys"],
  ["sessions", "Sessions"],
] as const;

/** Routes live behind the #: real paths such as /api/keys belong to the API. */
export function useRoute(): string[] {
  const hash = useSyncExternalStore(subscribe, () => window.location.hash);
  return hash.replace(/^#\/?/, "").split(/[/?]/);
}

export function useIsSignUp(): boolean {
  return useSyncExternalStore(subscribe, () => new URLSearchParams(window.location.search).has("sign-up"));
}

export const navigate = (to: string) => change("pushState", to);
export const redirect = (to: string) => change("replaceState", to);

function change(method: "pushState" | "replaceState", to: string) {
  window.history[method](null, "", to);
  // The browser tells of its own changes only.
  window.dispatchEvent(new PopStateEvent("popstate"));
}

function subscribe(changed: () => void) {
  window.addEventListener("popstate", changed);
  window.addEventListener("hashchange", changed);
  return () => {
    window.removeEventListener("popstate", changed);
    window.removeEventListener("hashchange", changed);
  };
}
