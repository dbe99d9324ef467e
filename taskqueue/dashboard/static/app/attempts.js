/** The history of a task as spans of time, and the errors in it. */

/** Return the spans from a task's creation to its end, or till now: waited, ran, backed off. */
export function spans(task, now) {
  const found = [];
  const add = (kind, from, till, text) => till > from && found.push({ kind, from, till, text });
  let from = task.created_at;
  let between = "waited";
  for (const attempt of task.attempts) {
    const start = attempt.started_at ?? attempt.ended_at;
    add(between, from, start, `${between} before attempt ${attempt.attempt}`);
    add(attempt.outcome, start, attempt.ended_at, `attempt ${attempt.attempt}: ${attempt.outcome}`);
    from = attempt.ended_at;
    between = attempt.outcome === "failed" || attempt.outcome === "timed_out" ? "backed off" : "waited";
  }
  if (task.processed_at === null) {
    const isRunning = task.status === "running" && task.started_at !== null;
    add(between, from, isRunning ? task.started_at : now, isRunning ? `${between} before attempt ${task.attempt}` : between);
    if (isRunning) add("running", task.started_at, now, `attempt ${task.attempt}: running`);
  }
  return found;
}

const OTHERS = /site-packages|dist-packages|\/lib\/python3|\/taskqueue\/(executors|actors|api|runtime|process)\//;
const FRAME = /^ {2}File "(.+)", line (\d+)/;

/** Return a traceback without the frames of libraries, and how many these are. */
export function folded(traceback) {
  const lines = [];
  let hidden = 0;
  let isHidden = false;
  for (const line of traceback.trimEnd().split("\n")) {
    const frame = FRAME.exec(line);
    if (frame) {
      isHidden = OTHERS.test(frame[1]);
      hidden += isHidden ? 1 : 0;
    } else if (!line.startsWith(" ")) isHidden = false;
    if (!isHidden) lines.push(line);
  }
  return { text: lines.join("\n"), hidden };
}
