/** Signing in with a token. The browser keeps a cookie that scripts cannot read, not the token. */

import { html, useState } from "../vendor/preact.js";
import { post } from "../app/api.js";
import { Mark } from "../components/icon.js";

export function SignIn({ onDone }) {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await post("session", { token: token.trim() });
      onDone();
    } catch (failure) {
      setProblem(failure);
      setBusy(false);
    }
  };
  return html`<main class="signin">
    <form onSubmit=${submit}>
      <h1 class="brand"><${Mark} />taskqueue</h1>
      <div class="field">
        <label for="token">Token</label>
        <input id="token" type="password" autocomplete="current-password" placeholder="tq_…" required
          value=${token} onInput=${(event) => setToken(event.target.value)} aria-describedby="token-help" />
      </div>
      ${problem && html`<p class="bad small" role="alert">${problem.message}</p>`}
      <button class="primary" disabled=${busy}>Sign in</button>
      <p id="token-help" class="faint small">
        An administrator makes one with <code>taskqueue tokens new</code>. You stay signed in for twelve hours.
      </p>
    </form>
  </main>`;
}
