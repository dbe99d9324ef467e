/** Dead letters, grouped by what killed them: each group is redriven or deleted as one. */

import { html, useState } from "../vendor/preact.js";
import { actions } from "../app/actions.js";
import { count } from "../app/format.js";
import { useLive } from "../app/live.js";
import { to } from "../app/router.js";
import { useMay } from "../app/session.js";
import { AllDialog } from "../components/bulk.js";
import { Icon } from "../components/icon.js";
import { Empty, Shown } from "../components/states.js";
import { Time } from "../components/time.js";

const MOST = 200;

export function Dead() {
  const live = useLive(`dead/groups?limit=${MOST}`, 3);
  return html`
    <div class="title"><h1>Dead letters</h1>
      ${live.data && live.data.truncated && html`<span class="soft">The largest ${count(MOST)} groups</span>`}
    </div>
    <section class="card" aria-label="Dead letters">
      <${Shown} live=${live}>${({ groups }) => html`<${Groups} groups=${groups} />`}<//>
    </section>
  `;
}

/** The filter that means the tasks of a group. */
const filterOf = ({ action, error }) => ({ status: "dead", action, error });

function Groups({ groups }) {
  const may = useMay();
  const [dialog, setDialog] = useState(null);
  const close = () => setDialog(null);
  const list = groups.length > 0
    ? html`<ul class="groups">
        ${groups.map((group) => html`<${Group} key=${`${group.action}\n${group.error}`} group=${group} canAct=${may("admin")} onAct=${(verb) => setDialog({ verb, group })} />`)}
      </ul>`
    : html`<${Empty} title="No dead letters">A task is dead when its attempts are used up, or its handler has rejected it. It waits here until it is redriven.<//>`;
  return html`${list}
    ${dialog && html`<${AllDialog} verb=${dialog.verb} filter=${filterOf(dialog.group)} known=${dialog.group.tasks} onClose=${close} onDone=${close} />`}`;
}

function Group({ group, canAct, onAct }) {
  return html`<li data-action=${group.action}>
    <b class="size">${count(group.tasks)}</b>
    <div class="what">
      <a href=${to("tasks", "", filterOf(group))}><strong>${group.action}</strong></a>
      <span class="small faint"> in ${group.queues.join(", ")}, latest <${Time} at=${group.latest_at} /></span>
      <p class="error bad">${group.example}</p>
      <p class="small soft">For example <a href=${to("tasks", group.example_id)}>${group.example_id}</a></p>
    </div>
    ${canAct && html`<div class="buttons">
      ${["redrive", "delete"].map(
        (verb) => html`<button type="button" key=${verb} class=${verb === "delete" ? "danger" : ""} onClick=${() => onAct(verb)}>
          <${Icon} name=${actions[verb].icon} />${actions[verb].name}
        </button>`,
      )}
    </div>`}
  </li>`;
}
