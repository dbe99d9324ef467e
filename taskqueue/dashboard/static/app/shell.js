/** The frame around the screens: navigation, search, connection, theme and account. */

import { html, useContext, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { remove } from "./api.js";
import { relative } from "./format.js";
import { useEventStream } from "./events.js";
import { useKeys } from "./keys.js";
import { useConnection, useLive, useNow } from "./live.js";
import { go, to, useRoute } from "./router.js";
import { useScreens, useScreensAhead } from "./screens.js";
import { Identity, useMay } from "./session.js";
import { useTheme } from "./theme.js";
import { Enqueue } from "../components/enqueue.js";
import { Icon } from "../components/icon.js";
import { Navigation } from "../components/navigation.js";
import { Palette, Shortcuts } from "../components/palette.js";
import { Tips } from "../components/tips.js";
import { Toasts } from "../components/toasts.js";

export function Shell({ onSignOut }) {
  const route = useRoute();
  const may = useMay();
  const screens = useScreens();
  const [open, setOpen] = useState(null);
  const [theme, nextTheme] = useTheme();
  useEventStream();
  useScreensAhead(screens);
  const close = () => setOpen(null);
  const place = useRef(null);
  const current = screens.find((each) => each.id === route.screen) || screens[0];
  const isSearchWanted = useRef(false);
  useScreenTitle(current, route, place, isSearchWanted);
  useShortcuts(setOpen, may, screens, isSearchWanted);
  const commands = [
    ...screens.map((each) => ({ name: each.name, hint: "Screen", run: () => go(to(each.id)) })),
    ...(may("enqueue") ? [{ name: "New task", hint: "Action", run: () => setOpen("enqueue") }] : []),
    { name: "Light or dark", hint: "Theme", run: nextTheme },
    { name: "Keyboard shortcuts", hint: "Help", run: () => setOpen("shortcuts") },
  ];
  return html`<div class="frame">
    <a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), place.current.focus())}>Skip to content</a>
    <${Navigation} screens=${screens} current=${current} />
    <div class="body">
      <header class="head">
        <button type="button" class="find" onClick=${() => setOpen("palette")}>
          <${Icon} name="search" /><span class="cut">Search or jump to…</span><kbd>Ctrl K</kbd>
        </button>
        <span class="gap"></span>
        <${Connection} />
        ${may("enqueue") &&
        html`<button type="button" class="primary" aria-label="New task" onClick=${() => setOpen("enqueue")}><${Icon} name="plus" /><span>New task</span></button>`}
        <button type="button" class="quiet" onClick=${nextTheme} aria-label=${`Theme: ${theme}`} data-tip=${`Theme: ${theme}`}>
          <${Icon} name=${theme} />
        </button>
        <${Account} onSignOut=${onSignOut} />
      </header>
      <${Readiness} />
      <main id="main" tabindex="-1" ref=${place}><${current.view} route=${route} key=${current.id} /><${Tips} /></main>
    </div>
    ${open === "palette" && html`<${Palette} commands=${commands} onClose=${close} />`}
    ${open === "shortcuts" && html`<${Shortcuts} onClose=${close} />`}
    ${open === "enqueue" && html`<${Enqueue} onClose=${close} />`}
    <${Toasts} />
  </div>`;
}

/** Name the screen in the window's title, and give it or its search the focus, which tells screen readers. */
function useScreenTitle(current, route, place, isSearchWanted) {
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = `${route.id ? `${current.name} ${route.id.slice(-8)}` : current.name} · taskqueue`;
    if (!isFirst.current) {
      const field = isSearchWanted.current && document.getElementById("search");
      (field || place.current).focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    isFirst.current = false;
    isSearchWanted.current = false;
  }, [current.id, route.id]);
}

function useShortcuts(setOpen, may, screens, isSearchWanted) {
  const going = useRef(false);
  const actions = {
    "?": () => setOpen("shortcuts"),
    "/": () => search(screens, isSearchWanted),
    n: () => may("enqueue") && setOpen("enqueue"),
    g: () => {
      going.current = true;
      setTimeout(() => (going.current = false), 800);
    },
  };
  for (const screen of screens) {
    const other = actions[screen.key];
    actions[screen.key] = (event) => (going.current ? go(to(screen.id)) : other && other(event));
  }
  useKeys(actions);
  useLayoutEffect(() => { // as in `useKeys`
    const onKey = (event) => {
      if (event.key === "k" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        setOpen("palette");
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}

/** Go to the search of the tasks. Their screen is loaded before it is shown, so that the search is there by then. */
async function search(screens, isSearchWanted) {
  const field = document.getElementById("search");
  if (field) {
    field.focus();
    return;
  }
  await screens.find((each) => each.id === "tasks").view.preload().catch(() => {}); // the screen itself tries again
  isSearchWanted.current = true;
  go(to("tasks"));
}

function Connection() {
  const { isUp, since } = useConnection();
  const now = useNow();
  const text = isUp ? "Live" : `Reconnecting, lost ${relative(since / 1000, now)}`;
  return html`<span class="link" data-up=${String(isUp)} role="status"><span class="dot"></span><span class=${isUp ? "word" : ""}>${text}</span></span>`;
}

/** Why the service accepts no tasks, across the top of every screen. */
function Readiness() {
  const { problem } = useLive("ready", 3);
  if (!problem || problem.status !== 503) return null;
  return html`<div class="banner" data-tone="bad" role="alert">Not ready: ${problem.message}</div>`;
}

function Account({ onSignOut }) {
  const identity = useContext(Identity);
  if (identity.name === "local") return null;
  const leave = async () => {
    await remove("session");
    onSignOut();
  };
  return html`<button type="button" class="quiet who" onClick=${leave} data-tip=${`Sign out ${identity.name}`}
    aria-label=${`Sign out ${identity.name}, ${identity.role}`}>
    <span>${identity.name} · ${identity.role}</span><${Icon} name="leave" />
  </button>`;
}
