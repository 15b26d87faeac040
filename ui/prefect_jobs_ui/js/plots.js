// Plots of time: stacked bars and lines. What is drawn is for the eye and the mouse; the same numbers stand in a table
// below for everybody else, with the same links.
import {html} from "htm/preact"
import {number} from "./numbers.js"
import {roundUp, roundUpTime} from "./statistics_series.js"
import {t} from "./texts.js"

const TICKS = 5

const CLOCK = {hour: "2-digit", minute: "2-digit", hourCycle: "h23"}
const DATE = {month: "short", day: "numeric"}

// The API's days are those of UTC, and keep their names in every zone.
export function timeLabel(time, bucket) {
  return new Date(time).toLocaleString(t("locale"), bucket === "day" ? {...DATE, timeZone: "UTC"} : CLOCK)
}

export function fullLabel({start}, bucket) {
  const time = new Date(start)
  if (bucket !== "day") return time.toLocaleString(t("locale"), {...DATE, ...CLOCK})
  return time.toLocaleString(t("locale"), {...DATE, year: "numeric", timeZone: "UTC", ...(time.getTimezoneOffset() ? {timeZoneName: "short"} : {})})
}

// Long periods in hours are marked by day, else a week would read as five times the same hour.
function Ticks({points, bucket}) {
  const label = (time) => (bucket === "hour" && points.length > 48 ? new Date(time).toLocaleString(t("locale"), DATE) : timeLabel(time, bucket))
  const step = Math.max(1, Math.floor(points.length / TICKS))
  return html`<div class="ticks" aria-hidden="true">${points.filter((_, index) => index % step === 0).map(({start}, index) =>
    html`<span key=${start} style=${{left: `${(100 * index * step) / points.length}%`}}>${label(start)}</span>`)}</div>`
}

function Frame({title, legend, most, format, points, bucket, children, table}) {
  return html`<figure class="panel plot"><figcaption><h3>${title}</h3><span class="legend">${legend}</span></figcaption>
    <div class="plot-area"><span class="axis top" aria-hidden="true">${format(most)}</span><span class="axis middle" aria-hidden="true">${format(most / 2)}</span><span class="axis bottom" aria-hidden="true">0</span>
      <div class="plot-field">${children}</div></div>
    <${Ticks} points=${points} bucket=${bucket} />
    <details class="plot-table"><summary>${t("statistics.table")}</summary><div class="table-scroll" tabindex="0" role="region" aria-label=${title}>${table}</div></details></figure>`
}

const Legend = ({parts}) => parts.map(({name, label}) => html`<span key=${name} class="legend-entry"><i class="swatch ${name}"></i>${label}</span>`)

// `parts` are {name, label}; `linkOf(point, name)` is where a piece of a bar leads.
export function Bars({title, points, parts, bucket, linkOf}) {
  const sum = (point) => parts.reduce((total, {name}) => total + point[name], 0)
  const most = roundUp(Math.max(0, ...points.map(sum)))
  const table = html`<table><thead><tr><th scope="col">${t("statistics.time")}</th>${parts.map(({name, label}) => html`<th key=${name} scope="col">${label}</th>`)}</tr></thead>
    <tbody>${points.filter(sum).map((point) => html`<tr key=${point.start}><th scope="row">${fullLabel(point, bucket)}</th>
      ${parts.map(({name}) => html`<td key=${name}>${point[name] ? html`<a ...${linkOf(point, name)}>${number(point[name])}</a>` : "0"}</td>`)}</tr>`)}</tbody></table>`
  return html`<${Frame} title=${title} legend=${parts.length > 1 && html`<${Legend} parts=${parts} />`} most=${most} format=${(n) => number(Math.round(n * 10) / 10)} points=${points} bucket=${bucket} table=${table}>
    <div class="columns" aria-hidden="true">${points.map((point) => html`<div key=${point.start} class="column" title="${fullLabel(point, bucket)}: ${parts.map(({name, label}) => `${label} ${number(point[name])}`).join(", ")}">
      ${parts.map(({name}) => point[name] > 0 && html`<a key=${name} tabindex="-1" class="piece ${name}" style=${{height: `${(100 * point[name]) / most}%`}} ...${linkOf(point, name)}></a>`)}</div>`)}</div><//>`
}

// Lines over time; where nothing is known the line has a gap.
export function Lines({title, points, of, bucket, format, linkOf}) {
  const names = ["p50", "p95"]
  const values = points.map(of)
  const most = roundUpTime(Math.max(0, ...values.flatMap((value) => names.map((name) => value[name] ?? 0))))
  const known = (index, name) => (values[index]?.[name] ?? null) !== null
  const place = (index, name) => `${index + 0.5} ${100 - (100 * values[index][name]) / most}`
  const path = (name) => values.map((_, index) => (known(index, name) ? `${known(index - 1, name) ? "L" : "M"}${place(index, name)}` : "")).join("")
  const alone = (name) => values.map((_, index) => (known(index, name) && !known(index - 1, name) && !known(index + 1, name) ? `M${place(index, name)}h.001` : "")).join("")
  const table = html`<table><thead><tr><th scope="col">${t("statistics.time")}</th>${names.map((name) => html`<th key=${name} scope="col">${t(`statistics.${name}`)}</th>`)}</tr></thead>
    <tbody>${points.filter((_, index) => values[index].p50 !== null).map((point) => html`<tr key=${point.start}><th scope="row"><a ...${linkOf(point)}>${fullLabel(point, bucket)}</a></th>
      ${names.map((name) => html`<td key=${name}>${format(of(point)[name])}</td>`)}</tr>`)}</tbody></table>`
  return html`<${Frame} title=${title} legend=${html`<${Legend} parts=${names.map((name) => ({name, label: t(`statistics.${name}`)}))} />`} most=${most} format=${format} points=${points} bucket=${bucket} table=${table}>
    <svg class="lines-plot" aria-hidden="true" viewBox="0 0 ${points.length} 100" preserveAspectRatio="none">
      ${names.map((name) => html`<path key=${name} class=${name} d=${path(name)} /><path class="${name} alone" d=${alone(name)} />`)}</svg>
    <div class="columns" aria-hidden="true">${points.map((point, index) => html`<a key=${point.start} tabindex="-1" class="column" ...${linkOf(point)} title="${fullLabel(point, bucket)}: ${values[index].p50 === null ? "–" : names.map((name) => `${t(`statistics.${name}`)} ${format(values[index][name])}`).join(", ")}"></a>`)}</div><//>`
}
