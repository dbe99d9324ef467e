/** What can be read from the supervision tree. */

/** Yield every part with the lines that lead to it, as `GET /supervision?format=text` draws them. */
export function* rows(part, lines = "", below = "") {
  yield { part, lines };
  const children = part.children || [];
  for (const [i, child] of children.entries()) {
    const isLast = i === children.length - 1;
    yield* rows(child, `${below}${isLast ? "└─" : "├─"}`, `${below}${isLast ? "\u00a0\u00a0" : "│\u00a0"}`);
  }
}

export const find = (root, path) => [...rows(root)].map((row) => row.part).find((part) => part.path === path);

/** A handler or a message that takes longer holds up what waits behind it. */
const SLOW_S = 1;

/** Whether a handler blocks its loop, or what waits in its mailbox waits for long. */
export const isBlocked = ({ process, blocked_s: blocked }) => blocked !== undefined || Boolean(process && process.oldest_message_s > SLOW_S);

/** The line of a handler, in words. */
export const place = (line) => (line ? `${line.file}:${line.number}, in ${line.function}` : "a line that cannot be told");

/** Whether a part is where it should be; a one-shot part that has ended well is. */
export const isWell = ({ status, last_exit: last }) =>
  status === "running" || status === "busy" || (status === "stopped" && last === "normal");

/** The tone of a part: what has crashed and was not restarted is no quiet matter. */
export function toneOfPart(part) {
  if (part.status === "running") return isBlocked(part) ? "warning" : "good";
  return isWell(part) ? "quiet" : "warning";
}
