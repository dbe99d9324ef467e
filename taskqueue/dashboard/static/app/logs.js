/** What the attempts at a task have logged: the latest page, kept up to date, and older ones below it. */

import { useEffect, useRef, useState } from "../vendor/preact.js";
import { get } from "./api.js";
import { useLive } from "./live.js";
import { joined } from "./pages.js";

const RUNNING_S = 2;
const ENDED_S = 60;

const begun = ({ attempt, started_at }) => `${attempt} ${started_at}`; // one that was interrupted keeps its number

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
  const logs = joined(latest.attempts, older ? older.attempts : latest.attempts, begun);
  const loadMore = async () => {
    const page = await get(`${path}?cursor=${next}`);
    setOlder({ attempts: [...logs, ...page.attempts], next: page.next });
  };
  return { attempts: logs, loadMore: next === null ? null : loadMore };
}
