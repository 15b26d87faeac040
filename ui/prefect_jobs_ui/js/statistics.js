// How the work goes: what came, what ended how, how long it waited and ran. Every bar leads to the jobs behind it.
import {html} from "htm/preact"
import {useEffect, useState} from "preact/hooks"
import {address, go, linkTo} from "./address.js"
import {ask} from "./api.js"
import {Icon} from "./drawing.js"
import {typeLabel, types} from "./job_types.js"
import {number} from "./numbers.js"
import {Bars, Lines} from "./plots.js"
import {statusOption} from "./search_bar.js"
import {byType, failureRate, joined, PERIODS, rangeOf, series, spanOf} from "./statistics_series.js"
import {useModel, useStore} from "./store.js"
import {t} from "./texts.js"
import {colour, span, statusIcon} from "./wording.js"

const AGAIN_MS = 30000
const ENDED = ["completed", "failed", "cancelled"]
const seconds = (value) => (value === null ? "–" : span(value))
const percent = (share) => (share === null ? "–" : `${Math.round(share * 1000) / 10}%`)

// A link to the list; a plain click stays in the page.
function toList(filter) {
  const view = {q: "", status: "", type: "", job: "", period: "", ...filter, view: ""}
  return {
    href: linkTo(view).href,
    onClick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return
      event.preventDefault()
      go(view, {push: true})
    },
  }
}

function useStatistics(period, type) {
  const [found, setFound] = useState({data: null, failure: null})
  useEffect(() => {
    const stop = new AbortController()
    let timer = 0
    const read = async () => {
      const wanted = spanOf(period, Date.now())
      const query = {from: new Date(wanted.from).toISOString(), to: new Date(wanted.to).toISOString(), bucket: wanted.bucket, job_type: type}
      try {
        const [timeline, stats] = await Promise.all([ask("jobs/stats/timeline", {query, signal: stop.signal}), ask("jobs/stats", {signal: stop.signal})])
        setFound({data: {wanted, buckets: timeline.buckets, stats, period, type}, failure: null})
      } catch (error) {
        if (stop.signal.aborted) return
        setFound((known) => ({...known, failure: error.message}))
      }
      timer = setTimeout(read, AGAIN_MS)
    }
    read()
    return () => { stop.abort(); clearTimeout(timer) }
  }, [period, type])
  return found
}

const Tile = ({label, value, more, tone = "", testid}) => html`<div class="panel tile" data-testid=${testid}><dt>${label}</dt><dd class=${tone}>${value}</dd>${more && html`<dd class="tile-more">${more}</dd>`}</div>`

function Tiles({all, stats, wanted, points}) {
  const bucket = t(`statistics.bucket.${wanted.bucket}`)
  const rate = failureRate(all)
  const now = Object.fromEntries(stats.by_status.map(({status, count}) => [status, count]))
  const age = stats.oldest_pending_job_age_seconds
  const times = ({p50, p95}) => ({value: html`${seconds(p50)} <small>${t("statistics.p50")}</small>`, more: `${seconds(p95)} ${t("statistics.p95")}, ${t("statistics.median", {bucket})}`})
  const ended = all.completed + all.failed + all.cancelled
  return html`<dl class="tiles">
    <${Tile} testid="tile-created" label=${t("statistics.created")} value=${number(all.created)} />
    <${Tile} testid="tile-throughput" label=${t("statistics.throughput")} value=${number(ended)} more="${number(Math.round((10 * ended) / points.length) / 10)} ${t("statistics.throughput.per", {bucket})}" />
    <${Tile} testid="tile-failure-rate" label=${t("statistics.failure-rate")} value=${percent(rate)} tone=${rate ? "text-red-400" : ""} more=${t("statistics.failure-rate.of", {part: all.failed, all: all.failed + all.completed})} />
    <${Tile} testid="tile-wait" label=${t("statistics.wait")} ...${times(all.wait)} />
    <${Tile} testid="tile-run" label=${t("statistics.run")} ...${times(all.run)} />
    <${Tile} testid="tile-now" label=${t("statistics.now")} value=${html`${number(now.running ?? 0)} <small>${t("statistics.now.running")}</small>`} more=${now.pending ? `${number(now.pending)} ${t("statistics.now.pending", {age: seconds(age)})}` : t("statistics.now.none")} />
  </dl>`
}

function Types({rows, all, wanted}) {
  const within = (field) => rangeOf(field, {start: wanted.from, end: wanted.to})
  const line = (row, filter, label) => html`<tr key=${filter.type}><th scope="row"><a ...${toList(filter)}>${label}</a></th>
    ${cell(row.created, {...filter, q: within("created")})}${ENDED.map((status) => cell(row[status], {...filter, status, q: within("completed")}))}
    <td>${percent(failureRate(row))}</td><td>${seconds(row.wait.p50)}</td><td>${seconds(row.run.p50)}</td><td>${seconds(row.run.p95)}</td></tr>`
  const cell = (value, filter) => html`<td>${value ? html`<a ...${toList(filter)}>${number(value)}</a>` : "0"}</td>`
  return html`<section class="panel types"><h3>${t("statistics.by-type")}</h3><div class="table-scroll" tabindex="0" role="region" aria-label=${t("statistics.by-type")}><table>
    <thead><tr><th scope="col">${t("row.type")}</th><th scope="col">${t("statistics.created")}</th>${ENDED.map((name) => html`<th key=${name} scope="col">${t(`status.${name}`)}</th>`)}<th scope="col">${t("statistics.failure-rate")}</th><th scope="col">${t("statistics.wait")} ${t("statistics.p50")}</th><th scope="col">${t("statistics.run")} ${t("statistics.p50")}</th><th scope="col">${t("statistics.p95")}</th></tr></thead>
    <tbody>${rows.map((row) => line(row, {type: row.type}, typeLabel(row.type)))}</tbody>
    ${rows.length > 1 && html`<tfoot>${line(all, {type: ""}, t("statistics.all-types"))}</tfoot>`}</table></div></section>`
}

// The numbers and words of the tabs above the list: the cancelled are a status of their own, apart from the failed.
function Statuses({counts: {total, by_look}}) {
  return html`<section class="panel statuses"><h3>${t("statistics.by-status")}</h3><ul>${["running", "pending", ...ENDED].map((status) => html`<li key=${status}>
    <span class=${colour(status)}><${Icon} name=${statusIcon(status)} /></span><a ...${toList({status})}>${statusOption(status)}</a>
    <span class="bar"><span class="fill ${status}" style=${{width: `${total ? (100 * (by_look[status] ?? 0)) / total : 0}%`}}></span></span><b>${number(by_look[status] ?? 0)}</b></li>`)}</ul></section>`
}

function Body({data, counts}) {
  const {wanted, buckets, stats, type} = data
  const points = series(buckets, wanted)
  const all = joined(buckets)
  const bucket = t(`statistics.bucket.${wanted.bucket}`)
  const link = (field, filter = {}) => (point) => toList({q: rangeOf(field, point), type, ...filter})
  if (!buckets.length) return html`<${Tiles} all=${all} stats=${stats} wanted=${wanted} points=${points} /><p class="no-match" role="status">${t("statistics.nothing")}</p>`
  return html`<${Tiles} all=${all} stats=${stats} wanted=${wanted} points=${points} />
    <div class="plots">
      <${Bars} title=${t("statistics.ended", {bucket})} points=${points} parts=${ENDED.map((name) => ({name, label: t(`status.${name}`)}))} bucket=${wanted.bucket} linkOf=${(point, status) => link("completed", {status})(point)} />
      <${Bars} title=${t("statistics.arrived", {bucket})} points=${points} parts=${[{name: "created", label: t("statistics.created")}]} bucket=${wanted.bucket} linkOf=${link("created")} />
      <${Lines} title=${t("statistics.wait.title", {bucket})} points=${points} of=${({wait}) => wait} bucket=${wanted.bucket} format=${seconds} linkOf=${link("started")} />
      <${Lines} title=${t("statistics.run.title", {bucket})} points=${points} of=${({run}) => run} bucket=${wanted.bucket} format=${seconds} linkOf=${link("completed", {status: "completed"})} />
      <${Types} rows=${byType(buckets)} all=${all} wanted=${wanted} />
      ${counts && html`<${Statuses} counts=${counts} />`}
    </div>`
}

function View({period, type, counts}) {
  const {data, failure} = useStatistics(period, type)
  const {known} = useStore(types)
  const names = new Set([...known.map(({name}) => name), ...(type ? [type] : [])])
  const current = data && data.period === period && data.type === type
  return html`<div class="statistics" data-testid="statistics">
    <div class="statistics-head"><button type="button" class="button icon-button" aria-label=${t("statistics.back")} onClick=${() => go({view: "", period: ""}, {push: true})}><${Icon} name="back" /></button>
      <h2>${t("statistics")}</h2>
      <div class="periods" role="group" aria-label=${t("statistics.period")}>${Object.keys(PERIODS).map((name) => html`<button key=${name} type="button" class="tab" aria-pressed=${String(name === period)} onClick=${() => go({period: name}, {push: false})}>${t(`statistics.${name}`)}</button>`)}</div>
      <span class="select-box"><span aria-hidden="true">${t("filter.type")}</span><select class="select" aria-label=${t("statistics.type")} value=${type} onChange=${(event) => go({type: event.target.value}, {push: false})}>
        <option value="">${t("filter.all")}</option>${[...names].map((name) => html`<option key=${name} value=${name}>${typeLabel(name)}</option>`)}</select></span></div>
    ${failure && html`<div class="load-error" role="alert"><h2>${t("statistics.failed")}</h2><p>${failure}</p></div>`}
    ${data ? html`<div class=${current ? "" : "fetching"}><${Body} data=${data} counts=${counts} /></div>` : !failure && html`<div class="whole"><span class="ring" aria-hidden="true"></span><p role="status">${t("statistics.loading")}</p></div>`}
  </div>`
}

export function Statistics({model}) {
  const {counts} = useModel(model, ["counts"])
  const {view, period, type} = useStore(address)
  if (view !== "stats") return null
  return html`<${View} period=${Object.hasOwn(PERIODS, period) ? period : "day"} type=${type} counts=${counts} />`
}
