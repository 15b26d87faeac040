// The whole error of a job, with its traceback, which may come after the window was opened.
import {html} from "htm/preact"
import {useRef} from "preact/hooks"
import {useCopy} from "./copying.js"
import {Dialog} from "./dialog.js"
import {Icon} from "./drawing.js"
import {typeLabel} from "./job_types.js"
import {shownJob} from "./shown_job.js"
import {useStore} from "./store.js"
import {t} from "./texts.js"
import {longTime, windowId} from "./wording.js"

export function ErrorDialog({job}) {
  const [copied, copy] = useCopy()
  const shown = useStore(shownJob)
  const told = useRef(null)
  if (shown.job?.job_id === job.job_id && shown.job.attempt === job.attempt) told.current = shown.more ?? told.current
  const traceback = told.current?.error_traceback
  const attempts = told.current?.retry_info
  const all = [job.error, traceback].filter(Boolean).join("\n\n")
  return html`<${Dialog} titleId="error-window-title" testid="job-error-modal" className="wide-dialog error-window">${({close}) => html`
    <div class="dialog-head"><h2 id="error-window-title">${t("error.title")}</h2>
      <button type="button" class="button icon-button" aria-label=${t("error.close")} onClick=${close}><${Icon} name="x" /></button></div>
    <dl class="error-facts">
      <div><dt>${t("error.job")}</dt><dd>${typeLabel(job.job_type)} ${windowId(job.job_id)}</dd></div>
      ${job.completed_at && html`<div><dt>${t("error.failed-at")}</dt><dd>${longTime(job.completed_at)}</dd></div>`}
      ${attempts && html`<div><dt>${t("error.attempt")}</dt><dd>${t("error.attempt.of", {n: String(attempts.attempt_number), max: String(attempts.max_attempts)})}</dd></div>`}
    </dl>
    <h3>${t("error.message")}</h3>
    <pre class="error-message" tabindex="0">${job.error}</pre>
    ${traceback && html`<h3>${t("error.traceback")}</h3><pre class="error-traceback" tabindex="0" data-testid="error-traceback">${traceback}</pre>`}
    <div class="dialog-buttons">
      <button type="button" class="button" data-testid="copy-button" onClick=${() => copy(all)}><${Icon} name=${copied ? "check" : "copy"} className=${copied ? "text-green-400" : ""} />${copied ? t("copied") : t("copy")}</button>
      <button type="button" class="button" data-first-focus onClick=${close}>${t("close")}</button>
    </div>`}<//>`
}
