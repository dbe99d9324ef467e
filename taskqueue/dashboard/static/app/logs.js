/** What the attempts at a task have logged: the latest page, kept up to date, and older ones below it. */

import { useEffect, useRef, useState } from "../vendor/preact.js";
import { get } from "./api.js";
import { useLive } from "./live.js";

const RUNNING_S = 2;
const ENDED_S = 60;

/** Return the logs, and what loads older ones if there are any. */
export function useLogs({ id, status, attempts }) {
  const path = `tasks/${encodeURIComponent(id)}/logs`;
  const { data, reload } = useLive(path, status === "running" ? RUNNING_S : ENDED_S);
  const [older, setOlder] = useState(null);
  useEffect(() => setOlder(null), [id]);
  const ends = attempts.at(-1)?.ended_at;
  const seen = useRef(ends);
  useEffect(() => {
    if (seen.current !== ends) reload();
    seen.current = ends;
  }, [ends]);
  const latest = data || { attempts: [], next: null };
  const { next } = older || latest;
  const loadMore = async () => {
    const page = await get(`${path}?cursor=${next}`);
    setOlder({ attempts: [...(older ? older.attempts : []), ...page.attempts], next: page.next });
  };
  return { attempts: [...latest.attempts, ...(older ? older.attempts : [])], loadMore: next === null ? null : loadMore };
}
