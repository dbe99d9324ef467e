/** Components whose modules are loaded when they are first shown, or before that while the page is idle. */

import { html, useEffect, useState } from "../vendor/preact.js";
import { Failure, Loading } from "../components/states.js";

const RETRY_MS = 1000;

const notLoaded = {
  error: "Not loaded",
  message: "The service answers, but not with this part of the page: it may be another version by now. Reload the page.",
};

/** Return a component that shows what `load` resolves to, and `Waiting` until then.

It can be shown for the first time while the service is away: then it is loaded when the service is back.
`preload` loads what it needs without showing it, and rejects if that fails.
*/
export function lazy(load, Waiting = Loading) {
  let loaded = null;
  const preload = async () => (loaded ??= await load());
  function Lazy(props) {
    const [view, isRefused] = useLoaded(() => loaded, preload);
    if (view) return html`<${view} ...${props} />`;
    return isRefused ? html`<${Failure} problem=${notLoaded} retry=${() => location.reload()} />` : html`<${Waiting} />`;
  }
  Lazy.preload = preload;
  return Lazy;
}

/** Return the component once it is loaded, and whether the service refuses it. Tries again until it is there. */
function useLoaded(known, preload) {
  const [state, setState] = useState(() => ({ view: known(), tries: 0, isRefused: false }));
  useEffect(() => {
    if (state.view) return undefined;
    let isShown = true;
    const attempt = async () => {
      const view = await preload().catch(() => null);
      const isRefused = !view && (await isAnswering());
      if (isShown) setState({ view, tries: state.tries + 1, isRefused });
    };
    const timer = setTimeout(attempt, state.tries > 0 ? RETRY_MS : 0);
    return () => {
      isShown = false;
      clearTimeout(timer);
    };
  }, [state]);
  return [state.view, state.isRefused];
}

/** Whether the service answers at all, such as with a file that is not this version's. */
const isAnswering = () => fetch(import.meta.url, { method: "HEAD", cache: "no-store" }).then(({ status }) => status < 500, () => false);

/** Run a classic script, such as one that defines a global name; once it has run the promise resolves. */
export function runScript(url) {
  const script = document.createElement("script");
  return new Promise((resolve, reject) => {
    script.onload = resolve;
    script.onerror = () => {
      script.remove();
      reject(new Error(`${url} was not loaded`));
    };
    script.src = url;
    document.head.append(script);
  });
}
