/** How instants, durations and numbers are written. */

const whole = new Intl.NumberFormat("en");

export const count = (value) => whole.format(value);

/** A rate per minute: small ones are not rounded to nothing. */
export const perMinute = (value) => (value < 10 ? String(Math.round(value * 10) / 10) : count(Math.round(value)));

/** `1 task`, `2 tasks`, `12,000 tasks`. */
export const plural = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

const units = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
];

/** A duration in seconds, in two digits or so: `340 ms`, `12 s`, `3 min`, `5 h`. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.001) return "0 ms";
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  for (const [size, unit] of units) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return "";
}

/** How far an instant is from now: `12 s ago`, `in 3 min`. */
export function relative(at, now) {
  const passed = now - at;
  if (Math.abs(passed) < 1) return "now";
  return passed > 0 ? `${coarse(passed)} ago` : `in ${coarse(-passed)}`;
}

const coarse = (seconds) => (seconds < 60 ? `${Math.floor(seconds)} s` : duration(seconds));

const exactly = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export const exact = (at) => exactly.format(new Date(at * 1000));
export const timeOfDay = (at) => clock.format(new Date(at * 1000));

/** The end of an id: those made at about the same time begin alike. */
export const shortId = (id) => `…${id.slice(-8)}`;

/** A text, cut. */
export const brief = (text = "", length = 80) => (text.length <= length ? text : `${text.slice(0, length - 1)}…`);
