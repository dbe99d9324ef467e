/** The navigation: beside the screen; on a phone below it, where only the first entries have room. */

import { html, useEffect, useState } from "../vendor/preact.js";
import { count } from "../app/format.js";
import { useLive } from "../app/live.js";
import { to } from "../app/router.js";
import { Icon, Mark } from "./icon.js";

export function Navigation({ screens, current }) {
  const [isOpen, setOpen] = useState(false);
  const close = () => setOpen(false);
  useEffect(close, [current.id]);
  const others = screens.filter((each) => !each.isFirst);
  return html`<aside class="side" aria-label="Service" onKeyDown=${(event) => event.key === "Escape" && close()}>
    <a class="brand" href="#/"><${Mark} />taskqueue</a>
    <nav aria-label="Screens">
      ${screens.filter((each) => each.isFirst).map((each) => html`<${Entry} key=${each.id} screen=${each} current=${current} />`)}
      <button type="button" class="more-screens" aria-expanded=${String(isOpen)} aria-controls="other-screens"
        data-current=${String(others.includes(current))} onClick=${() => setOpen(!isOpen)}><${Icon} name="more" />More</button>
      <div class="others" id="other-screens" data-open=${String(isOpen)} onClick=${close}>
        ${others.map((each) => html`<${Entry} key=${each.id} screen=${each} current=${current} />`)}
      </div>
    </nav>
    <footer><a href="docs">API documentation</a></footer>
  </aside>`;
}

function Entry({ screen, current }) {
  return html`<a href=${to(screen.id)} aria-current=${screen === current ? "page" : undefined}>
    <${Icon} name=${screen.icon} />${screen.name}${screen.id === "dead" && html`<${Tally} />`}
  </a>`;
}

/** How many tasks are dead. */
function Tally() {
  const stats = useLive("stats", 5).data;
  const dead = stats ? stats.tasks.dead : 0;
  return dead > 0 && html`<span class="tally">${dead > 999 ? "999+" : count(dead)}</span>`;
}
