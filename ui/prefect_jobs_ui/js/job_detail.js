// The selected job: what it is, how far it is, what it said and what came out. All its data comes as parameters from
// Python, except the log lines, which the browser reads from the API itself.
import {html} from "htm/preact"
import {useEffect, useRef, useState} from "preact/hooks"
import {draw, Icon, Spinner} from "./drawing.js"
import {JobLogs} from "./job_logs.js"
import {leave, selection} from "./selection.js"
import {useModel, useStore} from "./store.js"
import {absolute, colour, duration, fullTime, look, relative, statusLabel, titleId, typeLabel} from "./wording.js"

const ENDED = ["completed", "failed"]

const Time = ({time, now}) =>
  html`<time datetime=${time} title=${fullTime(time)}><span class="relative">${relative(time, now)}</span> <span class="absolute">(${absolute(time)})</span></time>`

const Row = ({label, testid, children}) => html`<div class="row" data-testid=${testid ?? `metadata-item-${label.toLowerCase()}`}>
  <dt>${label}<span class="sr-only">:</span></dt><dd>${children}</dd></div>`

function Metadata({job, waitsFor, now}) {
  const ended = ENDED.includes(job.status)
  return html`<div class="panel" data-testid="job-metadata"><dl class="metadata">
    <${Row} label="Type"><span data-testid="job-type">${typeLabel(job.job_type)}</span><//>
    <${Row} label="Created"><${Icon} name="clock" /><${Time} time=${job.created_at} now=${now} /><//>
    <${Row} label="Started">${job.started_at ? html`<${Time} time=${job.started_at} now=${now} />` : html`<em>Not started</em>`}<//>
    ${ended && job.completed_at && html`<${Row} label="Completed"><${Time} time=${job.completed_at} now=${now} /><//>`}
    ${ended && job.completed_at && job.started_at && html`<${Row} label="Duration">${duration(job.started_at, job.completed_at)}<//>`}
    </dl>
    ${job.message && html`<dl class="message" data-testid="message-section"><${Row} label="Status">${job.message}<//></dl>`}
    ${job.status === "pending" && waitsFor && html`<dl class="message" data-testid="waiting-section"><${Row} label="Waiting">${waitsFor}<//></dl>`}
  </div>`
}

function Header({job}) {
  const shown = look(job)
  const pending = !ENDED.includes(job.status) && job.status !== "running"
  const id = titleId(job.job_id)
  const label = `Job progress: ${job.progress}%`
  return html`<header class="detail-head">
    <div class="detail-title">
      <button type="button" class="button icon-button back" aria-label="Back to the list" onClick=${leave}><${Icon} name="back" /></button>
      <h2 tabindex="-1">${typeLabel(job.job_type)} <span class="title-id ${id.length > 12 ? "long" : ""}">${id}</span></h2>
      <span class="sr-only">Status:</span>
      <span class="badge ${colour(shown)}" data-testid="status-badge"><span class="dot ${shown === "running" ? "pulse" : ""}" data-testid="status-dot"></span>${statusLabel(shown)}${pending ? "" : ` (${job.progress}%)`}</span>
    </div>
    ${!pending && html`<div class="bar big ${shown}" role="progressbar" aria-label=${label} aria-valuenow=${job.progress} aria-valuemin="0" aria-valuemax="100">
      <div class="fill" data-testid="progress-fill" style=${{width: `${job.progress}%`}}></div></div>`}
  </header>`
}

// Only a path below the API's exports becomes a link: a result is data, and data may say `javascript:`.
export const downloadOf = (result) => {
  const path = result?.file_path
  return typeof path === "string" && /^\/api\/exports\/[^/?#\\]+$/.test(path) ? path : null
}

function Result({result}) {
  const path = downloadOf(result)
  return html`<section class="panel result" aria-labelledby="result-title" data-testid="job-result">
    <div class="result-bar"><h3 id="result-title">Result</h3>
      ${path && html`<a class="button small" href=".${path}" download><${Icon} name="download" />Download file</a>`}</div>
    <pre tabindex="0" aria-label="Result">${JSON.stringify(result, null, 2)}</pre>
  </section>`
}

function Job({job, waitsFor}) {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [])
  const moment = Math.max(now, Date.now() - 1000)
  return html`
    <${Header} job=${job} />
    <div class="detail-body">
      <${Metadata} job=${job} waitsFor=${waitsFor} now=${moment} />
      ${job.error && html`<div class="error-box ${look(job)}" data-testid="error-section"><${Icon} name="alert" /><div><h3>Error</h3><p>${job.error}</p></div></div>`}
      <${JobLogs} key=${job.job_id} jobId=${job.job_id} live=${!ENDED.includes(job.status)} failed=${look(job) === "failed"} />
      ${job.status === "completed" && job.result !== null && job.result !== undefined && html`<${Result} result=${job.result} />`}
    </div>`
}

function Nothing({children, role}) {
  return html`<div class="nothing" role=${role}>
    <button type="button" class="button back" onClick=${leave}><${Icon} name="back" />Back to the list</button>${children}</div>`
}

function JobDetail({model}) {
  const {selected} = useStore(selection)
  const {phase, job, failure, waits_for: waitsFor} = useModel(model, ["phase", "job", "failure", "waits_for"])
  const panel = useRef(null)
  useEffect(() => {
    // On a phone the detail takes the list's place: the focus goes along, and back to the card afterwards.
    if (!matchMedia("(max-width: 767px)").matches || selected === null) return undefined
    panel.current.focus()
    return () => document.querySelector(`[data-testid="job-item-${CSS.escape(selected)}"]`)?.focus({preventScroll: true})
  }, [selected])
  let body
  if (selected === null) body = html`<div class="nothing"><${Icon} name="document" /><p>Select a job to view details</p></div>`
  else if (job && job.job_id === selected) body = html`<${Job} key=${selected} job=${job} waitsFor=${waitsFor} />`
  else if (phase === "missing") {
    body = html`<${Nothing} role="alert"><${Icon} name="alert" /><h2>Job Not Found</h2><p>There is no job with ID <code>${selected}</code>. It may have been deleted.</p><//>`
  } else if (phase === "failed") body = html`<${Nothing} role="alert"><${Icon} name="alert" /><h2>Error Loading Job</h2><p>${failure || "An error occurred"}</p><//>`
  else body = html`<${Nothing} role="status"><span class="late"><${Spinner} /></span><p class="late">Loading job details...</p><//>`
  return html`<section class="detail" data-testid="job-detail-panel" aria-label="Job details" ref=${panel} tabindex="-1">${body}</section>`
}

export function render({model}) {
  draw(html`<${JobDetail} model=${model} />`, "detail")
}
