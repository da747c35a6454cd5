import { useEffect, useRef } from "react";

/**
 * For the page's <main>. Whoever follows a link with the keyboard goes on from the new page, and a screen reader says
 * that it is there; whose button went away with its row goes on from the list, or else from <main>.
 */
export function useFocus(route: string) {
  const main = useRef<HTMLElement>(null);
  const shown = useRef(route);

  useEffect(() => {
    if (shown.current === route) return;
    shown.current = route;
    main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [route]);

  useEffect(() => {
    const page = main.current!;
    let path: HTMLElement[] = [];
    const remember = ({ target }: FocusEvent) => (path = ancestors(target as HTMLElement, page));
    const observer = new MutationObserver(() => {
      if (document.activeElement !== document.body || path.length === 0 || path[0]!.isConnected) return;
      path.find((element) => element.isConnected && element.hasAttribute("tabindex"))?.focus({ preventScroll: true });
    });
    page.addEventListener("focusin", remember);
    observer.observe(page, { childList: true, subtree: true });
    return () => {
      page.removeEventListener("focusin", remember);
      observer.disconnect();
    };
  }, []);

  return main;
}

/**
 * The `ref` of what appears far from the button that brought it. A function of its own: React calls it once, when the
 * element comes.
 */
export const focusOnArrival = (element: HTMLElement | null) => element?.focus();

/** The element itself first, `top` last. */
function ancestors(element: HTMLElement, top: HTMLElement): HTMLElement[] {
  const parent = element.parentElement;
  return element === top || !parent ? [element] : [element, ...ancestors(parent, top)];
}
