/** Starts the page: who asks, then the frame with the screen that the address names. */

import { html, render, useCallback, useEffect, useState } from "../vendor/preact.js";
import { get } from "./api.js";
import { lazy } from "./lazy.js";
import { refresh, whenSignedOut } from "./live.js";
import { Identity } from "./session.js";
import { Shell } from "./shell.js";
import { Failure } from "../components/states.js";

const SignIn = lazy(async () => (await import("../screens/sign-in.js")).SignIn);

const RETRY_MS = 1000;

function Page({ first }) {
  const [{ identity, problem }, setAnswer] = useState(first);
  const ask = useCallback(async () => setAnswer(await whoAsks()), []);
  useEffect(() => whenSignedOut(ask), []);
  useEffect(() => {
    if (!problem || !problem.isOutage) return undefined;
    const timer = setTimeout(ask, RETRY_MS);
    return () => clearTimeout(timer);
  }, [problem]);
  const onSignedIn = async () => {
    await ask();
    refresh();
  };
  if (identity) {
    return html`<${Identity.Provider} value=${identity}><${Shell} onSignOut=${ask} /><//>`;
  }
  if (problem.status === 401) return html`<${SignIn} onDone=${onSignedIn} />`;
  return html`<main><${Failure} problem=${problem} retry=${ask} /></main>`;
}

/** Return who uses the page, or why that is not known. */
async function whoAsks() {
  try {
    return { identity: await get("session"), problem: null };
  } catch (problem) {
    return { identity: null, problem };
  }
}

const place = document.getElementById("app");
const first = await whoAsks(); // until then the frame in index.html is shown
place.replaceChildren();
render(html`<${Page} first=${first} />`, place);
