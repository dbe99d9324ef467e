/** Uses the page as `page_user.py` does, from inside: what steers it from outside keeps things in its memory.

The benchmark has it run before the page's own code.
*/

(() => {
  const button = (text) => [...document.querySelectorAll("button")].find((each) => each.textContent.trim() === text);
  const chip = (text) => [...document.querySelectorAll("button.chip")].find((each) => each.textContent.includes(text));
  const isDead = (row) => row.dataset.status === "dead";

  const goTo = (screen) => document.querySelector(`nav a[href="#/${screen}"]`).click();
  const press = async (look) => (await pageClock.until(look)).click();

  const turn = async () => {
    const { until, rows } = pageClock; // which may have come after this script
    goTo("tasks");
    await until(() => rows().length > 0);
    chip("dead").click();
    await until(() => rows().length > 0 && rows().every(isDead));
    chip("dead").click();
    await until(() => rows().length > 0 && !rows().every(isDead));
    const before = rows().length;
    await press(() => button("Load more"));
    await until(() => rows().length > before);
    const search = document.querySelector("#search");
    search.value = "batch-7";
    search.dispatchEvent(new Event("input", { bubbles: true }));
    await until(() => location.hash.includes("text="));
    await until(() => rows().length > 0 || document.querySelector("main .empty"));
    await press(() => button("Clear"));
    await until(() => rows().length > 0);
    await press(() => document.querySelector("tr[data-id] a"));
    await until(() => document.querySelector('section[aria-label="Attempts"]'));
    goTo("queues");
    await until(() => document.querySelector("tr[data-queue]"));
    goTo("");
    await until(() => document.querySelector('section[aria-label="Supervision"] tr[data-path]'));
  };

  /** Take turns for so many seconds, at least one; how many they were. */
  globalThis.pageTurns = async (seconds) => {
    const endsAt = performance.now() + 1000 * seconds;
    let turns = 0;
    do {
      await turn();
      turns += 1;
    } while (performance.now() < endsAt);
    return turns;
  };
})();
