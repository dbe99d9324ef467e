/** Times interactions in the page: from the input event to the first paint that shows their outcome.

The benchmark has it run before the page's own code. Its predicates look at what a user sees.
*/

(() => {
  const longTasks = [];
  const keep = (entries) => longTasks.push(...entries.map((entry) => entry.duration));
  const observer = new PerformanceObserver((list) => keep(list.getEntries()));
  observer.observe({ type: "longtask", buffered: true });

  const rows = () => [...document.querySelectorAll("[aria-busy=false] tr[data-id]")]; // not those of the filter before
  const wanted = () => new URLSearchParams(location.hash.split("?")[1]).get("text");
  const hasWanted = (row) => row.querySelector(".data").textContent.includes(wanted());

  // The event with which each begins, and whether its outcome is there; `old`: how many rows there were.
  const interactions = {
    list: ["click", () => rows().length > 0],
    filter: ["click", () => rows().length > 0 && rows().every((row) => row.dataset.status === "dead")],
    open: ["click", () => document.querySelector('section[aria-label="Attempts"]')],
    // The page lets the typing pause before it asks, on purpose; then it notes the search in its address.
    search: ["hashchange", (old) => document.querySelector("main .empty") || (rows().length > 0 && rows().every(hasWanted))],
    more: ["click", (old) => rows().length > old],
    screen: ["click", () => document.querySelector("tr[data-queue]")],
  };

  /** Call `then` when what is in the document now has been painted. */
  const afterPaint = (then) =>
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = then;
      channel.port2.postMessage(null);
    });

  const timed = ([trigger, isShown]) =>
    new Promise((resolve) => {
      addEventListener(
        trigger,
        (event) => {
          const old = rows().length;
          const observer = new MutationObserver(() => {
            if (!isShown(old)) return;
            observer.disconnect();
            afterPaint(() => resolve(performance.now() - event.timeStamp));
          });
          observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
        },
        { capture: true, once: true },
      );
    });

  const isShown = (name) => Boolean(interactions[name][1](0));

  /** What `look` finds, at the first frame in which it finds something. */
  const until = (look) =>
    new Promise((resolve) => {
      const again = () => (look() ? resolve(look()) : requestAnimationFrame(again));
      again();
    });

  let outcome = null;

  globalThis.pageClock = {
    until,
    rows,
    /** Those since the last call; the browser tells of one a while after its end. */
    longTasks: () =>
      new Promise((resolve) => {
        afterPaint(() => {
          keep(observer.takeRecords());
          resolve(longTasks.splice(0));
        });
      }),
    start: (name) => void (outcome = timed(interactions[name])),
    took: () => outcome,
    /** When an outcome is there that nothing was clicked for; `unlike`: and that of another one is not. */
    shown: (name, unlike) => until(() => isShown(name) && !(unlike && isShown(unlike))),
    /** A word that only some of the latest tasks have in their data. */
    word: () => until(() => rows().map((row) => row.textContent.match(/batch-\d+/)).find(Boolean)?.[0]),
    paints: () => Object.fromEntries(performance.getEntriesByType("paint").map((entry) => [entry.name, entry.startTime])),
    painted: () => until(() => performance.getEntriesByName("first-paint")[0]?.startTime),
    /** When the other screens are loaded, too: one after the other in the order of the navigation. */
    wholeAt: () =>
      new Promise((resolve) => {
        const isLast = ({ name }) => name.endsWith("/settings.js");
        const look = () =>
          performance.getEntriesByType("resource").some(isLast) ? resolve(performance.now()) : setTimeout(look, 20);
        look();
      }),
    treeAt: () =>
      new Promise((resolve) => {
        const isDrawn = () => document.querySelector('tr[data-path="root/database"]');
        const look = () => (isDrawn() ? afterPaint(() => resolve(performance.now())) : requestAnimationFrame(look));
        look();
      }),
  };
})();
