// The selected job: what it is, how far it is, what it said and what came out. Its newest state comes as a parameter
// from Python; the log, the detailed form and the history the browser reads from the API itself.
import {html} from "htm/preact"
import {useEffect, useRef, useState} from "preact/hooks"
import {address, leave, select} from "./address.js"
import {rights} from "./api.js"
import {useCopy} from "./copying.js"
import {draw, Icon, Spinner} from "./drawing.js"
import {inPrefect, isOfParent, isStopping, JobActions} from "./job_actions.js"
import {ErrorBox, RetryBox} from "./job_error.js"
import {CurrentStep, Metadata, Waiting} from "./job_facts.js"
import {Awaited, JobHistory, Receipt} from "./job_history.js"
import {JobLogs} from "./job_logs.js"
import {useMore} from "./job_more.js"
import {Parameters, Result} from "./job_result.js"
import {typeLabel, types} from "./job_types.js"
import {openDialog} from "./overlay.js"
import {shownJob} from "./shown_job.js"
import {useModel, useStore} from "./store.js"
import {showJobInTab} from "./tab_title.js"
import {t} from "./texts.js"
import {colour, look, statusLabel, titleId} from "./wording.js"

const STOPPING = {stopping: "stopping.now", aborting: "stopping.abort", cancelling: "stopping.prefect"}
const ENDED = ["completed", "failed"]

function CopyId({id}) {
  const [copied, copy] = useCopy()
  return html`<button type="button" class="button icon-button copy-id" aria-label=${t("copy.id")} title=${copied ? t("copied") : t("copy.id")} onClick=${() => copy(id)}><${Icon} name=${copied ? "check" : "copy"} /></button>`
}

function Header({job}) {
  const {may} = useStore(rights)
  const shown = look(job)
  const pending = !ENDED.includes(job.status) && job.status !== "running"
  const id = titleId(job.job_id)
  const label = t("detail.progress", {progress: job.progress})
  return html`<header class="detail-head">
    <div class="detail-title">
      <button type="button" class="button icon-button back" aria-label=${t("detail.back")} onClick=${leave}><${Icon} name="back" /></button>
      <h2 tabindex="-1"><span title=${job.job_type}>${typeLabel(job.job_type)}</span> <span class="title-id ${id.length > 12 ? "long" : ""}">${id}</span></h2>
      <${CopyId} id=${job.job_id} />
      <span class="sr-only">${t("detail.status")}</span>
      <span class="badge ${colour(shown)}" data-testid="status-badge"><span class="dot ${shown === "running" ? "pulse" : ""}" data-testid="status-dot"></span>${statusLabel(shown)}${pending ? "" : ` (${job.progress}%)`}</span>
      <span class="detail-actions"><${JobActions} job=${job} />
        ${may("start") && html`<button type="button" class="button icon-button" aria-label=${t("again")} title=${t("again")} onClick=${() => openDialog("start", {like: job.job_id})}><${Icon} name="play" /></button>`}
        ${inPrefect(job) && html`<a class="button icon-button" href=${job.prefect_url} target="_blank" rel="noreferrer" aria-label=${t("prefect")} title=${t("prefect")}><${Icon} name="external" /></a>`}
      </span>
    </div>
    ${!pending && html`<div class="bar big ${shown}" role="progressbar" aria-label=${label} aria-valuenow=${job.progress} aria-valuemin="0" aria-valuemax="100">
      <div class="fill" data-testid="progress-fill" style=${{width: `${job.progress}%`}}></div></div>`}
  </header>`
}

// While a job stops: what was asked and what is known of it. Once it has stopped: the receipt, until another is chosen.
function Stop({job, history, wasStopping}) {
  const receipt = history.data?.transitions?.findLast?.((step) => step.details?.receipt)
  if (isStopping(job)) {
    // A server of the bare contract has no events: it tells the wish as a step.
    const asked = history.data?.events?.findLast?.(({kind}) => kind === "stop_asked") ?? history.data?.transitions?.findLast?.(({details}) => isStopping(details ?? {}))
    const words = job.status === "pending" ? "stopping.before-it-began" : STOPPING[job.state]
    return html`<div class="note-box yellow" role="status" data-testid="stopping"><${Icon} name="status-running" className="spin" /><div>
      <p>${t(words)}</p><${Awaited} asked=${asked} /></div></div>`
  }
  if (isOfParent(job)) return html`<${Inside} id=${job.parent_job_id} />`
  if (wasStopping && receipt) return html`<div class="note-box" data-testid="stopped"><${Icon} name="check" /><${Receipt} receipt=${receipt.details.receipt} by=${receipt.details.by} /></div>`
  return null
}

// A flow in its parent's process: which one is to be stopped instead.
function Inside({id}) {
  const [before, after] = t("inside").split("{id}")
  return html`<div class="note-box" data-testid="inside-parent"><${Icon} name="ban" /><p>${id ? html`${before}<button type="button" class="link" onClick=${() => select(id)}>${titleId(id)}</button>${after}` : t("inside.unknown")}</p></div>`
}

function Job({job}) {
  useStore(types) // whose titles are shown
  const [now, setNow] = useState(Date.now())
  const {detail, history} = useMore(job)
  const wasStopping = useRef(false)
  wasStopping.current ||= isStopping(job)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [])
  const moment = Math.max(now, Date.now() - 1000)
  const more = detail.data
  useEffect(() => { showJobInTab(job); shownJob.set({job, more}) }, [job, more])
  useEffect(() => () => { showJobInTab(null); shownJob.set({job: null, more: null}) }, [])
  return html`
    <${Header} job=${job} />
    <div class="detail-body">
      <${Stop} job=${job} history=${history} wasStopping=${wasStopping.current} />
      ${job.status === "pending" && !isStopping(job) && more?.pending_reason && html`<${Waiting} reason=${more.pending_reason} now=${moment} onSelect=${select} />`}
      <${Metadata} job=${job} detail=${detail} now=${moment} />
      ${more && html`<${CurrentStep} job=${job} more=${more} />`}
      ${more && html`<${RetryBox} info=${more.retry_info} now=${moment} />`}
      <${ErrorBox} job=${job} more=${more} />
      <${JobLogs} key=${job.job_id} jobId=${job.job_id} live=${!ENDED.includes(job.status)} failed=${look(job) === "failed"} endedAt=${job.completed_at} />
      <${JobHistory} history=${history} job=${job} />
      ${job.status === "completed" && job.result !== null && job.result !== undefined && html`<${Result} result=${job.result} />`}
      ${more && html`<${Parameters} values=${more.metadata.input_params} />`}
    </div>`
}

function Nothing({children, role}) {
  return html`<div class="nothing" role=${role}>
    <button type="button" class="button back" onClick=${leave}><${Icon} name="back" />${t("detail.back")}</button>${children}</div>`
}

function JobDetail({model}) {
  const {job: selected} = useStore(address)
  const {phase, job_id: spokenOf, job, failure} = useModel(model, ["phase", "job_id", "job", "failure"])
  const panel = useRef(null)
  // What is told of a job that was chosen a moment ago takes nothing away from the one that is chosen now: somebody may
  // be typing in its log already.
  const held = useRef(null)
  if (job?.job_id === selected) held.current = job
  else if (held.current?.job_id !== selected) held.current = null
  const told = spokenOf === selected ? phase : "loading"
  useEffect(() => {
    // On a phone the detail takes the list's place: the focus goes along, and back to the card afterwards.
    if (!matchMedia("(max-width: 767px)").matches || !selected) return undefined
    panel.current.focus()
    return () => document.querySelector(`[data-testid="job-item-${CSS.escape(selected)}"]`)?.focus({preventScroll: true})
  }, [selected])
  let body
  if (!selected) body = html`<div class="nothing"><${Icon} name="document" /><p>${t("detail.none")}</p></div>`
  else if (told === "missing") {
    const [before, after] = t("detail.missing.text").split("{id}")
    body = html`<${Nothing} role="alert"><${Icon} name="alert" /><h2>${t("detail.missing")}</h2><p>${before}<code>${selected}</code>${after}</p><//>`
  } else if (told === "failed") body = html`<${Nothing} role="alert"><${Icon} name="alert" /><h2>${t("detail.failed")}</h2><p>${failure || t("failed.unknown")}</p><//>`
  else if (held.current) body = html`<${Job} key=${selected} job=${held.current} />`
  else body = html`<${Nothing} role="status"><span class="late"><${Spinner} /></span><p class="late">${t("detail.loading")}</p><//>`
  return html`<section class="detail" data-testid="job-detail-panel" aria-label=${t("detail.name")} ref=${panel} tabindex="-1">${body}</section>`
}

export function render({model}) {
  draw(html`<${JobDetail} model=${model} />`, "detail")
}
