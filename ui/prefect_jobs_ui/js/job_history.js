// What happened to a job: its steps with the receipt of each stop, and between them, smaller, what else was heard of it.
// Closed at first; the summary says where it is.
import {html} from "htm/preact"
import {useState} from "preact/hooks"
import {Icon} from "./drawing.js"
import {StatusDot} from "./status_dot.js"
import {has, t} from "./texts.js"
import {clock, fullTime, span, stateLabel} from "./wording.js"

const WAITING = ["pending", "queued"]
const WORKING = ["running", "processing"]

// A step's status as it is shown: a cancelled job reads `failed` on the wire, its state tells it apart.
export const shownStatus = ({to, details}) => (["cancelled", "aborted"].includes(details?.state) ? "cancelled" : to)

const LABELLED = ["pending", "queued", "processing", "running", "completed", "failed", "cancelled"]
export const labelOf = (status) => (LABELLED.includes(status) ? t(`status.${status}`) : stateLabel(status))

// The contract's rules (4.9), the first that fits.
export function messageOf(step) {
  const {from, details} = step
  const to = shownStatus(step)
  if (typeof details?.message === "string") return details.message
  if (typeof details?.error === "string") return details.error
  if (from === null) return WAITING.includes(to) ? t("history.created") : t("history.created-as", {label: labelOf(to)})
  if (WAITING.includes(from) && WORKING.includes(to)) return t("history.started")
  if (WORKING.includes(from) && to === "completed") return t("history.completed")
  if ([...WAITING, ...WORKING].includes(from) && to === "failed") return t("history.job-failed")
  if ([...WAITING, ...WORKING].includes(from) && to === "cancelled") return t("history.cancelled")
  return t("history.changed", {label: labelOf(to)})
}

// The proof of a stop (contract 16.2): asked, delivered, ended, and what of it was ended.
export function Receipt({receipt, by}) {
  const {cause, at, delivered_after: heard, how, after, processes = [], more = 0, left = []} = receipt
  const step = (label, value) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`
  return html`<div class="receipt" data-testid="stop-receipt"><p class="receipt-title">${t("receipt")}</p><dl>
    ${step(t(`receipt.${cause}`), html`<time datetime=${at} title=${fullTime(at)}>${clock(at)}</time>${by && html` ${t("receipt.by", {by})}`}`)}
    ${step(t(cause === "asked" ? "receipt.delivered" : "receipt.noticed"), t("receipt.after", {seconds: heard.toFixed(2)}))}
    ${step(t(`receipt.how.${how}`), t("receipt.after", {seconds: after.toFixed(2)}))}
    ${processes.length + more > 0 && step(t("receipt.processes", {n: processes.length + more}), html`<span class="processes">${processes.map(({pid, name}) => html`<code key=${pid}>${name} ${pid}</code>`)}${more > 0 && t("receipt.more", {n: more})}</span>`)}
    ${left.length > 0 && step(html`<span class="text-yellow-400">${t("receipt.left", {n: left.length})}</span>`, left.map(({pid, name}) => html`<code key=${pid}>${name} ${pid}</code>`))}
  </dl></div>`
}

// The same while the job still stops: what is known of it, and what is awaited.
export function Awaited({asked}) {
  if (!asked) return null
  const by = asked.by ?? asked.details?.by
  return html`<div class="receipt" data-testid="stop-awaited"><dl>
    <div><dt>${t("receipt.asked")}</dt><dd><time datetime=${asked.at} title=${fullTime(asked.at)}>${clock(asked.at)}</time>${by && html` ${t("receipt.by", {by})}`}</dd></div>
    <div><dt>${t("receipt.how.ended")}</dt><dd>${t("receipt.waiting")}</dd></div></dl></div>`
}

function Entry({step, before, last, showBy}) {
  const status = shownStatus(step)
  const message = messageOf(step)
  const error = step.details?.error
  const passed = before ? (Date.parse(step.at) - Date.parse(before.at)) / 1000 : null
  return html`<li class="step" data-testid="timeline-entry">
    <span class="step-line"><${StatusDot} status=${status} large />${!last && html`<span class="connector" data-testid="timeline-connector"></span>`}</span>
    <div class="step-text">
      <p><time class="step-time" datetime=${step.at} title=${fullTime(step.at)}>${clock(step.at)}</time> <b>${labelOf(status)}</b>
        ${showBy && html` <span class="quiet" data-testid="triggered-by">${t("history.via", {by: step.details?.by ?? step.triggered_by})}</span>`}
        ${passed !== null && passed >= 0.1 && html` <span class="quiet passed">+${span(passed)}</span>`}</p>
      <p class="step-message">${message}</p>
      ${typeof error === "string" && error !== message && html`<p class="text-red-400">${error}</p>`}
      ${step.details?.receipt && html`<${Receipt} receipt=${step.details.receipt} by=${step.details.by} />`}
    </div></li>`
}

// What changed no status: somebody asked for a stop, it waited for a place, it was given back.
function EventEntry({event, last}) {
  const {kind, message, by} = event
  return html`<li class="step event" data-testid="timeline-event">
    <span class="step-line"><span class="event-dot" aria-hidden="true"></span>${!last && html`<span class="connector"></span>`}</span>
    <div class="step-text"><p><time class="step-time" datetime=${event.at} title=${fullTime(event.at)}>${clock(event.at)}</time> ${eventLabel(kind)}${by && html` ${t("receipt.by", {by})}`}</p>
      ${message && html`<p class="step-message">${message}</p>`}</div></li>`
}

const eventLabel = (kind) => (has(`event.${kind}`) ? t(`event.${kind}`) : stateLabel(kind))

// Steps and events in one line of time; of the same moment the step comes first.
export function inOrder(steps, events) {
  const rows = steps.map((step, index) => ({at: Date.parse(step.at), step, before: steps[index - 1]}))
  return [...rows, ...events.map((event) => ({at: Date.parse(event.at), event}))].sort((one, other) => one.at - other.at)
}

export function JobHistory({history, job, showBy = false}) {
  const [open, setOpen] = useState(false)
  const {data, failure} = history
  const steps = data?.transitions ?? []
  const rows = inOrder(steps, data?.events ?? [])
  const current = steps.length ? shownStatus(steps.at(-1)) : job.status
  return html`<section class="panel history" data-testid="job-history-section">
    <h3><button type="button" class="history-head" aria-expanded=${String(open)} aria-controls="history-steps" onClick=${() => setOpen(!open)}>
      <${Icon} name="chevron" className=${open ? "" : "closed"} /><span>${t("history")}</span>
      ${!open && steps.length > 0 && html`<span class="history-summary"><span>${t("history.count", {n: steps.length})}</span><span aria-hidden="true">|</span><${StatusDot} status=${current} /><span>${labelOf(current)}</span></span>`}
    </button></h3>
    ${open && html`<div id="history-steps" class="history-steps">
      ${data ? steps.length
          ? html`<ol data-testid="job-history-timeline">${rows.map(({step, event, before}, index) => (step
            ? html`<${Entry} key=${index} step=${step} before=${before} last=${index === rows.length - 1} showBy=${showBy} />`
            : html`<${EventEntry} key=${index} event=${event} last=${index === rows.length - 1} />`))}</ol>
            ${data.complete === false && html`<p class="text-yellow-400">${t("history.incomplete")}</p>`}`
          : html`<p class="quiet">${t("history.empty")}</p>`
        : failure
          ? html`<p class="text-red-400" role="alert">${t("history.failed")}</p><p class="quiet">${failure}</p>`
          : html`<div data-testid="timeline-loading" role="status" aria-label=${t("history.loading")} class="skeleton">${[1, 2, 3].map((n) => html`<span key=${n} class="pulse"></span>`)}</div>`}
    </div>`}
  </section>`
}
