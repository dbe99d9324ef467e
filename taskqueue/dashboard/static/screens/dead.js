/** Dead letters, grouped by what killed them: each group is redriven or deleted as one. */

import { html, useEffect, useState } from "../vendor/preact.js";
import { actions } from "../app/actions.js";
import { post } from "../app/api.js";
import { groups, loadDead } from "../app/dead.js";
import { count, plural } from "../app/format.js";
import { refresh, useLive } from "../app/live.js";
import { to } from "../app/router.js";
import { useMay } from "../app/session.js";
import { Frame } from "../components/bulk.js";
import { Icon } from "../components/icon.js";
import { Empty, Failure, Loading } from "../components/states.js";
import { Time } from "../components/time.js";
import { complain, say } from "../components/toasts.js";

export function Dead() {
  const stats = useLive("stats");
  const dead = stats.data ? stats.data.tasks.dead : null;
  const [loaded, setLoaded] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    if (dead === null) return undefined;
    const aborter = new AbortController();
    loadDead(aborter.signal).then(
      (answer) => (setLoaded(answer), setProblem(null)),
      (failure) => !aborter.signal.aborted && setProblem(failure),
    );
    return () => aborter.abort();
  }, [dead]);
  const failed = problem || (dead === null && stats.problem);
  return html`
    <div class="title"><h1>Dead letters</h1>
      ${loaded && loaded.isPart && html`<span class="soft">The latest ${count(loaded.tasks.length)} of ${count(dead)}</span>`}
    </div>
    <section class="card" aria-label="Dead letters">
      ${loaded ? html`<${Groups} groups=${groups(loaded.tasks)} />` : failed ? html`<${Failure} problem=${failed} retry=${stats.reload} />` : html`<${Loading} lines=${6} />`}
    </section>
  `;
}

function Groups({ groups: all }) {
  const may = useMay();
  const [dialog, setDialog] = useState(null);
  if (all.length === 0) {
    return html`<${Empty} title="No dead letters">A task is dead when its attempts are used up, or its handler has rejected it. It waits here until it is redriven.<//>`;
  }
  return html`<ul class="groups">
      ${all.map(
        (group) => html`<li key=${group.key} data-action=${group.action}>
          <b class="size">${count(group.ids.length)}</b>
          <div class="what">
            <a href=${to("tasks", "", { status: "dead", action: group.action })}><strong>${group.action}</strong></a>
            <span class="small faint"> in ${[...group.queues].join(", ")}, latest <${Time} at=${group.latest} /></span>
            <p class="error bad">${group.error}</p>
            <p class="small soft">For example <a href=${to("tasks", group.ids[0])}>${group.ids[0]}</a></p>
          </div>
          ${may("admin") && html`<div class="buttons">
            ${["redrive", "delete"].map(
              (verb) => html`<button type="button" key=${verb} class=${verb === "delete" ? "danger" : ""} onClick=${() => setDialog({ verb, group })}>
                <${Icon} name=${actions[verb].icon} />${actions[verb].name}
              </button>`,
            )}
          </div>`}
        </li>`,
      )}
    </ul>
    ${dialog && html`<${GroupDialog} ...${dialog} onClose=${() => setDialog(null)} />`}`;
}

const PART = 500;

function GroupDialog({ verb, group, onClose }) {
  const [done, setDone] = useState(null);
  const action = actions[verb];
  const { ids } = group;
  const run = async () => {
    let changed = 0;
    try {
      for (let from = 0; from < ids.length; from += PART) {
        setDone(from);
        const answer = await post(`dead/${verb}`, { ids: ids.slice(from, from + PART) });
        changed += answer.redriven ?? answer.deleted;
      }
      say(`${plural(changed, "task")} ${action.done}`);
    } catch (problem) {
      complain(problem);
    }
    refresh();
    onClose();
  };
  return html`<${Frame} action=${action} title=${`${action.name} ${plural(ids.length, "dead task")} of ${group.action}?`} label=${`${action.name} ${count(ids.length)}`}
    progress=${done === null ? null : { value: done, max: ids.length }} onRun=${run} onClose=${onClose}>
    <p class="error bad small">${group.error}</p>
  <//>`;
}
