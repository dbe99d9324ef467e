/** The command palette, and the list of shortcuts. */

import { html, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { shortcuts } from "../app/keys.js";
import { go, to } from "../app/router.js";
import { Dialog } from "./dialog.js";

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** What a text finds: a task by its id, commands by their names, tasks by any text. */
function matching(text, commands) {
  const wanted = text.trim();
  const found = commands.filter((each) => each.name.toLowerCase().includes(wanted.toLowerCase()));
  if (ID.test(wanted)) return [{ name: "Open this task", hint: wanted, run: () => go(to("tasks", wanted.toLowerCase())) }];
  if (!wanted) return found;
  return [...found, { name: `Find tasks with “${wanted}”`, hint: "Tasks", run: () => go(to("tasks", "", { text: wanted })) }];
}

export function Palette({ commands, onClose }) {
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const found = matching(text, commands);
  const element = useRef(null);
  useLayoutEffect(() => { // what is typed from now on is for it
    element.current.showModal();
  }, []);
  const run = (command) => {
    onClose();
    command.run();
  };
  const onKeyDown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setChosen((chosen + step + found.length) % found.length);
    } else if (event.key === "Enter" && found[chosen]) {
      event.preventDefault();
      run(found[chosen]);
    }
  };
  return html`<dialog ref=${element} class="palette" aria-label="Command palette" onClose=${onClose}
    onClick=${(event) => event.target === element.current && onClose()}>
    <input type="text" role="combobox" aria-expanded="true" aria-controls="commands" aria-label="Search or jump to" autocomplete="off"
      aria-activedescendant=${found.length ? `command-${chosen}` : undefined} placeholder="Search or jump to…" value=${text}
      onInput=${(event) => (setText(event.target.value), setChosen(0))} onKeyDown=${onKeyDown} />
    <ul id="commands" role="listbox" aria-label="Commands">
      ${found.map(
        (command, i) => html`<li key=${command.name} id=${`command-${i}`} role="option" aria-selected=${i === chosen}
          onClick=${() => run(command)} onMouseMove=${() => setChosen(i)}>
          <span class="cut">${command.name}</span><small>${command.hint}</small>
        </li>`,
      )}
    </ul>
  </dialog>`;
}

export function Shortcuts({ onClose }) {
  return html`<${Dialog} title="Keyboard shortcuts" onClose=${onClose}>
    <dl class="keys">
      ${shortcuts.map(
        ([keys, does]) => html`<dt key=${keys}>${keys.split(", ").map((key) => html`<kbd key=${key}>${key}</kbd> `)}</dt><dd>${does}</dd>`,
      )}
    </dl>
    <div class="buttons"><button type="button" onClick=${onClose}>Close</button></div>
  <//>`;
}
