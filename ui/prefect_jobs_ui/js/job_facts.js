// What is known of a job as rows of label and value: the contract's, and those of the detailed form.
import {html} from "htm/preact"
import {Icon} from "./drawing.js"
import {typeLabel} from "./job_types.js"
import {t} from "./texts.js"
import {absolute, duration, fullTime, relative, span, titleId} from "./wording.js"

const ENDED = ["completed", "failed"]

export const Time = ({time, now}) =>
  html`<time datetime=${time} title=${fullTime(time)}><span class="relative">${relative(time, now)}</span> <span class="absolute">(${absolute(time)})</span></time>`

export const Row = ({label, testid, children}) => html`<div class="row" data-testid=${testid ?? `metadata-item-${label.toLowerCase().replaceAll(" ", "-")}`}>
  <dt>${label}<span class="sr-only">:</span></dt><dd>${children}</dd></div>`

const priorityLabel = (n) => (n <= 4 ? t(`priority.${n}`) : t("priority.other", {n: String(n)}))

// How long a running job still takes: from its kind where that is known, else from its own progress.
function Remaining({timing, at, now}) {
  const passed = Math.max(0, (now - at) / 1000)
  const left = (seconds) => span(Math.max(0, seconds - passed))
  const {eta, estimated_remaining_seconds: own} = timing
  if (!eta && (own === null || own === undefined)) return null
  return html`<${Row} label=${t("row.remaining")} testid="metadata-item-remaining">
    ${eta ? html`${t("eta", {p50: left(eta.p50)})}<span class="absolute" title=${t("eta.sample", {n: eta.sample})}>${t("eta.spread", {p90: left(eta.p90)})}</span>`
      : html`${t("eta", {p50: left(own)})}<span class="absolute">${t("eta.own")}</span>`}<//>`
}

export function Metadata({job, detail, now}) {
  const ended = ENDED.includes(job.status)
  const more = detail.data
  const slow = more?.timing.slower_than_usual === true
  const running = job.status === "running" && job.started_at
  return html`<div class="panel" data-testid="job-metadata"><dl class="metadata">
    <${Row} label=${t("row.type")} testid="metadata-item-type"><span data-testid="job-type" title=${job.job_type}>${typeLabel(job.job_type)}</span><//>
    <${Row} label=${t("row.created")} testid="metadata-item-created"><${Icon} name="clock" /><${Time} time=${job.created_at} now=${now} /><//>
    <${Row} label=${t("row.started")} testid="metadata-item-started">${job.started_at ? html`<${Time} time=${job.started_at} now=${now} />` : html`<em>${t("row.not-started")}</em>`}<//>
    ${ended && job.completed_at && html`<${Row} label=${t("row.completed")} testid="metadata-item-completed"><${Time} time=${job.completed_at} now=${now} /><//>`}
    ${ended && job.completed_at && job.started_at && html`<${Row} label=${t("row.duration")} testid="metadata-item-duration">${duration(job.started_at, job.completed_at)}${slow && html`<${Slow} />`}<//>`}
    ${running && html`<${Row} label=${t("row.running-for")} testid="metadata-item-running-for">${span(Math.max(0, Math.floor((now - Date.parse(job.started_at)) / 1000)))}${slow && html`<${Slow} />`}<//>`}
    ${running && more && html`<${Remaining} timing=${more.timing} at=${detail.at} now=${now} />`}
    </dl>
    ${more && html`<${Place} more=${more} />`}
    ${job.message && html`<dl class="message" data-testid="message-section"><${Row} label=${t("row.status")} testid="metadata-item-status">${job.message}<//></dl>`}
  </div>`
}

// Where it waited and where it runs.
function Place({more}) {
  const queued = more.queue_name !== null
  const worker = more.metadata.worker_id
  if (!queued && !worker) return null
  return html`<dl class="metadata place">
    ${queued && html`<${Row} label=${t("row.queue")} testid="metadata-item-queue"><span class="tag">${more.queue_name}</span><//>
      <${Row} label=${t("row.priority")} testid="metadata-item-priority">${priorityLabel(more.priority)}<//>`}
    ${worker && html`<${Row} label=${t("row.worker")} testid="metadata-item-worker">${worker}<${WorkerProcess} worker=${more.metadata.worker} /><//>`}
  </dl>`
}

function WorkerProcess({worker}) {
  if (!worker) return null
  return html` <span class="quiet">${t("row.worker.process", {...worker, pid: String(worker.pid)})}</span>`
}

const Slow = () => html` <span class="slow-tag" title=${t("slower.hint")} data-testid="slower-than-usual">${t("slower")}</span>`

// Why a pending job waits (contract 16.2), and for which jobs.
export function Waiting({reason, now, onSelect}) {
  const since = reason.since ? t("pending.since", {when: relative(reason.since, now)}) : ""
  return html`<div class="note-box yellow" data-testid="waiting-section"><${Icon} name="clock" />
    <p><span role="status">${reason.text}</span>${since && html` <time class="quiet" datetime=${reason.since} title=${fullTime(reason.since)}>${since}</time>`}
    ${(reason.held_by ?? []).map((id) => html` <button key=${id} type="button" class="link" onClick=${() => onSelect(id)}>${titleId(id).slice(0, 9)}</button>`)}</p></div>`
}

export function CurrentStep({job, more}) {
  const {current_step: step, items_processed: done, items_total: all} = more.progress
  if (job.status !== "running" || !step || (step === job.message && all === null)) return null // the message says it
  return html`<p class="current-step" data-testid="current-step"><span class="text-blue-400"><${Icon} name="status-running" className="spin" /></span>
    <span class="quiet">${t("step")}</span> ${step}${all !== null && html` <span class="quiet">${done} / ${all}</span>`}</p>`
}
