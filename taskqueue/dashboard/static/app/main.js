/** Starts the page: who asks, then the frame with the screen that the address names. */

import { html, render, useCallback, useEffect, useState } from "../vendor/preact.js";
import { get } from "./api.js";
import { refresh, whenSignedOut } from "./live.js";
import { Identity } from "./session.js";
import { Shell } from "./shell.js";
import { applyTheme } from "./theme.js";
import { Failure } from "../components/states.js";
import { SignIn } from "../screens/sign-in.js";

const RETRY_MS = 1000;

function Page() {
  const [identity, setIdentity] = useState(null);
  const [problem, setProblem] = useState(null);
  const ask = useCallback(async () => {
    try {
      setIdentity(await get("session"));
      setProblem(null);
    } catch (failure) {
      setIdentity(null);
      setProblem(failure);
    }
  }, []);
  useEffect(() => {
    whenSignedOut(ask);
    ask();
  }, []);
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
  if (problem && problem.status === 401) return html`<${SignIn} onDone=${onSignedIn} />`;
  if (problem) return html`<main><${Failure} problem=${problem} retry=${ask} /></main>`;
  return html`<p class="starting" role="status">taskqueue</p>`; // as in index.html
}

applyTheme();
const place = document.getElementById("app");
place.replaceChildren();
render(html`<${Page} />`, place);
