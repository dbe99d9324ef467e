/** The groups: how far each is, what follows its end; cancel or redrive its tasks, or close it. */

import { html, useState } from "../vendor/preact.js";
import { withQuery } from "../app/api.js";
import { count } from "../app/format.js";
import { useLive } from "../app/live.js";
import { go, to } from "../app/router.js";
import { useMay } from "../app/session.js";
import { CloseGroup, concerned, GroupDialog } from "../components/change-group.js";
import { Choice } from "../components/choice.js";
import { Icon } from "../components/icon.js";
import { Empty, Shown } from "../components/states.js";
import { Status } from "../components/status.js";
import { Time } from "../components/time.js";

const kinds = [["", "Every group"], ["false", "Not ended"], ["true", "Ended"]];

export function Groups({ route }) {
  const { ended = "", cursor = "" } = route.query;
  const groups = useLive(withQuery("groups", { ended, cursor }), 3);
  const [dialog, setDialog] = useState(null);
  const close = () => setDialog(null);
  return html`
    <div class="title"><h1>Groups</h1><span class="gap"></span>
      <${Choice} label="Which" value=${ended} options=${kinds} onValue=${(value) => go(to("groups", "", { ended: value }))} />
    </div>
    <section class="card" aria-label="Groups">
      <${Shown} live=${groups}>${(data) => html`<${Table} data=${data} query=${route.query} onAct=${setDialog} />`}<//>
    </section>
    ${dialog && (dialog.verb === "close" ? html`<${CloseGroup} group=${dialog.group} onClose=${close} />` : html`<${GroupDialog} ...${dialog} onClose=${close} />`)}
  `;
}

function Table({ data, query, onAct }) {
  const may = useMay();
  if (data.groups.length === 0) {
    return html`<${Empty} title="No groups here">A group appears with the first task that is enqueued into it.<//>`;
  }
  return html`<div class="wrap"><table class="group-list">
      <caption class="unseen">Groups</caption>
      <thead><tr>
        <th>Group</th><th>State</th><th>Progress</th><th class="number">Tasks</th><th class="number">Dead</th>
        <th class="wide">Then</th><th class="wide">Since</th>${may("enqueue") && html`<th><span class="unseen">Actions</span></th>`}
      </tr></thead>
      <tbody>${data.groups.map((group) => html`<${Row} key=${group.name} group=${group} canAct=${may("enqueue")} onAct=${onAct} />`)}</tbody>
    </table></div>
    ${data.next && html`<footer class="more"><a href=${to("groups", "", { ...query, cursor: data.next })}>Older</a></footer>`}`;
}

function Row({ group, canAct, onAct }) {
  const { name, tasks } = group;
  const link = (status, number) =>
    html`<a href=${to("tasks", "", { group: name, status })} aria-label=${`${number} ${status || "tasks"} in ${name}`}>${count(number)}</a>`;
  return html`<tr data-group=${name}>
    <th scope="row"><a href=${to("tasks", "", { group: name })}>${name}</a></th>
    <td><${State} group=${group} /></td>
    <td class="progress"><progress aria-label=${`Progress of ${name}`} value=${group.progress} max="1"></progress>
      <span class="small soft">${percent(group.progress)}</span></td>
    <td class="number">${link("", group.total)}</td>
    <td class="number">${link("dead", tasks.dead)}</td>
    <td class="wide"><${Then} then=${group.then} /></td>
    <td class="wide"><${Time} at=${group.created_at} /></td>
    ${canAct && html`<td class="number"><${Actions} group=${group} onAct=${onAct} /></td>`}
  </tr>`;
}

function State({ group }) {
  if (group.ended) return html`<${Status} value="ended" tone=${group.tasks.dead > 0 ? "bad" : "good"} />`;
  return html`<${Status} value=${group.closed ? "closed" : "open"} tone=${group.closed ? "active" : "waiting"} />`;
}

/** Not 100 % before the last one. */
const percent = (progress) => `${Math.floor(progress * 100)} %`;

function Then({ then }) {
  if (!then) return html`<span class="faint">–</span>`;
  return then.task_id ? html`<a href=${to("tasks", then.task_id)}>${then.action}</a>` : then.action;
}

function Actions({ group, onAct }) {
  const act = (verb) => onAct({ verb, group });
  return html`
    ${!group.closed && html`<button type="button" onClick=${() => act("close")} aria-label=${`Close ${group.name}`}><${Icon} name="check" />Close</button>`}
    ${concerned("cancel", group) > 0 && html`<button type="button" class="danger" onClick=${() => act("cancel")} aria-label=${`Cancel ${group.name}`}><${Icon} name="stop" />Cancel</button>`}
    ${group.tasks.dead > 0 &&
    html`<button type="button" onClick=${() => act("redrive")} aria-label=${`Redrive ${group.name}`}><${Icon} name="retry" />Redrive</button>`}`;
}
