// Why a job failed, which attempt it is, and what the attempts before died of.
import {html} from "htm/preact"
import {Icon} from "./drawing.js"
import {openDialog} from "./overlay.js"
import {t} from "./texts.js"
import {fullTime, look, until} from "./wording.js"

const LONGEST_LINE = 100

// The first line, short enough to be read at a glance; `more` says whether there is more to see.
export function errorLine(error) {
  const [first, ...rest] = error.split("\n")
  const line = first.length > LONGEST_LINE ? `${first.slice(0, LONGEST_LINE)}...` : first
  return {line, more: rest.some((text) => text.trim()) || first.length > LONGEST_LINE}
}

export function RetryBox({info, now}) {
  const {attempt_number: attempt, max_attempts: most, next_retry_at: next, previous_errors: errors} = info
  if (most <= 1) return null
  return html`<div class="note-box yellow" data-testid="retry-info"><${Icon} name="refresh" /><div>
    <p><b>${t("retry.attempt", {n: String(attempt), max: String(most)})}</b></p>
    ${next && html`<p><time datetime=${next} title=${fullTime(next)}>${t("retry.next", {when: until(next, now)})}</time></p>`}
    ${errors.length > 0 && html`<details><summary>${t("retry.errors", {n: errors.length})}</summary><ol>${errors.map((error, index) => html`<li key=${index}>${errorLine(error).line}</li>`)}</ol></details>`}
  </div></div>`
}

export function ErrorBox({job, more}) {
  if (!job.error) return null
  const {line, more: cut} = errorLine(job.error)
  return html`<div class="error-box ${look(job)}" data-testid="error-section"><${Icon} name="alert" /><div>
    <h3>${t("error")}</h3><p>${line}</p>
    ${(cut || more?.error_traceback) && html`<button type="button" class="link" data-testid="view-error-details-button" onClick=${() => openDialog("error", {job})}>${t("error.view")}</button>`}
  </div></div>`
}
