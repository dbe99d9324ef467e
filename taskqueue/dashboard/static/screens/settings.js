/** The settings with which the service runs, and where each comes from. */

import { html, useState } from "../vendor/preact.js";
import { useLive } from "../app/live.js";
import { Empty, Shown } from "../components/states.js";

const EVERY_S = 5; // they change with a restart of the service only

export function Settings() {
  const settings = useLive("settings", EVERY_S);
  const [isGivenOnly, setGivenOnly] = useState(false);
  const shown = (all) => (isGivenOnly ? all.filter((each) => each.source !== "default") : all);
  return html`
    <div class="title"><h1>Settings</h1><span class="gap"></span>
      <label class="only"><input type="checkbox" checked=${isGivenOnly} onChange=${() => setGivenOnly(!isGivenOnly)} />Hide defaults</label>
    </div>
    <section class="card" aria-label="Settings">
      <${Shown} live=${settings}>${(data) => html`<${Table} settings=${shown(data.settings)} />`}<//>
    </section>
  `;
}

function Table({ settings }) {
  if (settings.length === 0) return html`<${Empty} title="Every setting has its default">A flag, a variable or taskqueue.toml changes one.<//>`;
  return html`<div class="wrap"><table class="settings">
    <caption class="unseen">Settings</caption>
    <thead><tr><th>Setting</th><th>Value</th><th>Given by</th><th class="wide">Default</th></tr></thead>
    <tbody>${settings.map((setting) => html`<${Row} key=${setting.name} setting=${setting} />`)}</tbody>
  </table></div>`;
}

function Row({ setting }) {
  const isDefault = setting.source === "default";
  return html`<tr data-setting=${setting.name}>
    <th scope="row"><code>${setting.name}</code><p class="small faint">${setting.description}</p></th>
    <td class="what">${isDefault ? html`<code class="soft">${setting.value || "–"}</code>` : html`<strong><code>${setting.value || "–"}</code></strong>`}</td>
    <td class="what soft">${isDefault ? "default" : html`${setting.source} <code>${setting.given_as}</code>`}</td>
    <td class="what wide"><code class="faint">${setting.default || "–"}</code></td>
  </tr>`;
}
