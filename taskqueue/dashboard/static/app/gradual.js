/** Rows that are drawn a few at a time: the first of a long list are seen before the last are made. */

import { useLayoutEffect, useMemo, useRef, useState } from "../vendor/preact.js";

const MOST = 16; // rows that change between two frames: about as many as a window shows
const none = [];

/** Return the rows to draw now; the others follow, some after each frame. `list` names what they are rows of. */
export function useGradually(rows, list) {
  const drawn = useRef({ list, rows: none });
  const [turn, setTurn] = useState(0);
  const now = useMemo(() => {
    const before = drawn.current.list === list ? drawn.current.rows : none;
    return nextRows(rows, before);
  }, [rows, list, turn]);
  drawn.current = { list, rows: now };
  useLayoutEffect(() => {
    if (now === rows) return undefined;
    let timer = 0;
    const frame = requestAnimationFrame(() => (timer = setTimeout(() => setTurn(turn + 1)))); // once these are painted
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  }, [rows, now]);
  return now;
}

/** Return `rows` up to where too many of them are new, and then those that were drawn before. */
export function nextRows(rows, before) {
  const known = new Set(before);
  let fresh = 0;
  const end = rows.findIndex((row) => !known.has(row) && (fresh += 1) > MOST);
  if (end < 0) return rows;
  const head = rows.slice(0, end);
  const ids = new Set(head.map(({ id }) => id));
  return [...head, ...before.filter(({ id }) => !ids.has(id))].slice(0, rows.length);
}
