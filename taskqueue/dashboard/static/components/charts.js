/** Throughput, waits and runs beside the restarts: a dip has its cause in the same picture. */

import { html, useEffect, useRef } from "../vendor/preact.js";
import { duration, perMinute, timeOfDay } from "../app/format.js";
import { useActivity, useSamples } from "../app/samples.js";

const HEIGHT = 150;
const SHORTEST_S = 120;
const FEW = 4; // samples that make no line yet

const rates = {
  title: "Attempts a minute",
  format: perMinute,
  series: [
    { name: "completed", label: "completed", color: "--good", fill: true },
    { name: "failed", label: "failed", color: "--bad", dash: [4, 3] },
  ],
};
const durations = (title, name) => ({
  title,
  format: duration,
  series: [
    { name: `${name}50`, label: "p50", color: "--active", fill: true },
    { name: `${name}95`, label: "p95", color: "--later", dash: [4, 3] },
  ],
});
const waits = durations("Wait before an attempt", "wait");
const runs = durations("Run of an attempt", "run");

export function Charts() {
  const activity = useActivity();
  const samples = useSamples(activity);
  const { restarts } = activity;
  return html`<div class="charts grid">
    <${Chart} kind=${rates} samples=${samples} restarts=${restarts} />
    <${Chart} kind=${waits} samples=${samples} restarts=${restarts} />
    <${Chart} kind=${runs} samples=${samples} restarts=${restarts} />
  </div>`;
}

function Chart({ kind, samples, restarts }) {
  const place = useRef(null);
  const latestOf = useRef(null);
  latestOf.current = { samples, restarts };
  const plot = usePlot(kind, place, latestOf);
  useEffect(() => plot.current && show(plot.current, kind, samples), [samples, restarts.length]);
  const latest = samples.at(-1);
  const now = (each) => (latest && latest[each.name] !== null ? kind.format(latest[each.name]) : "–");
  return html`<section class="card chart" aria-label=${kind.title}>
    <header><h2>${kind.title}</h2><span class="gap"></span>
      <dl class="legend">
        ${kind.series.map((each) => html`<dt key=${each.name} style=${{ "--tone": `var(${each.color})` }} class=${each.dash ? "dashed" : ""}>${each.label}</dt><dd>${now(each)}</dd>`)}
        ${restarts.length > 0 && html`<dt class="mark" style=${{ "--tone": "var(--warning)" }}>restarts</dt><dd>${restarts.length}</dd>`}
      </dl>
    </header>
    <div class="plot" ref=${place} aria-hidden="true"></div>
    <p class="small faint">All queues, for an hour at most, since the service was started</p>
  </section>`;
}

/** Keep a plot in `place`, as wide as it is, and in the colours of the theme. */
function usePlot(kind, place, latestOf) {
  const plot = useRef(null);
  useEffect(() => {
    const draw = () => {
      if (plot.current) plot.current.destroy();
      plot.current = new globalThis.uPlot(options(kind, place.current.clientWidth, latestOf), data(kind, []), place.current);
      show(plot.current, kind, latestOf.current.samples);
    };
    draw();
    const resized = new ResizeObserver(() => plot.current.setSize({ width: place.current.clientWidth, height: HEIGHT }));
    resized.observe(place.current);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    addEventListener("themechange", draw);
    return () => {
      resized.disconnect();
      scheme.removeEventListener("change", draw);
      removeEventListener("themechange", draw);
      plot.current.destroy();
    };
  }, []);
  return plot;
}

/** Draw the samples over their own time, or the latest two minutes if that is less. */
function show(plot, kind, samples) {
  const till = Date.now() / 1000;
  const from = Math.min(samples.length > 0 ? samples[0].at : till, till - SHORTEST_S);
  plot.setData(data(kind, samples), false);
  plot.setScale("x", { min: from, max: till });
}

const data = (kind, samples) => [samples.map((each) => each.at), ...kind.series.map(({ name }) => samples.map((each) => each[name]))];

/** The colour that a variable has now: a canvas knows no variables. */
function colorOf(variable) {
  const probe = document.createElement("span");
  probe.style.color = `var(${variable})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function options(kind, width, latestOf) {
  const line = colorOf("--line");
  const axis = { stroke: colorOf("--faint"), grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  return {
    width,
    height: HEIGHT,
    cursor: { show: false },
    legend: { show: false },
    padding: [8, 28, 0, 0],
    scales: { x: { time: true, auto: false }, y: { range: (_, low, high) => [0, Math.max(high * 1.15, 0.001)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 24, space: 110, values: (_, ticks) => ticks.map(timeOfDay) },
      { ...axis, size: 60, space: 36, values: (_, ticks) => ticks.map((value) => kind.format(value)) },
    ],
    series: [{}, ...kind.series.map((each) => seriesOf(each))],
    hooks: { draw: [(plot) => drawMarks(plot, latestOf.current.restarts)] },
  };
}

function seriesOf({ color, fill, dash }) {
  const stroke = colorOf(color);
  const wash = fill && stroke.replace(/^rgb\((.+)\)$/, "rgba($1, 0.12)");
  return { stroke, width: 1.75, dash, fill: wash || undefined, points: { show: (plot) => plot.data[0].length < FEW, size: 4, fill: stroke } };
}

function drawMarks(plot, restarts) {
  const { ctx } = plot;
  const { left, top, width, height } = plot.bbox;
  ctx.save();
  ctx.strokeStyle = colorOf("--warning");
  ctx.lineWidth = 2;
  ctx.setLineDash([]);
  for (const { at } of restarts) {
    const x = plot.valToPos(at, "x", true);
    if (x < left || x > left + width) continue;
    ctx.beginPath();
    ctx.moveTo(x, top);
    ctx.lineTo(x, top + height);
    ctx.stroke();
  }
  ctx.restore();
}
