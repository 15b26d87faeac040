// Before something is stopped or deleted: what it means, in the contract's words, and which job.
import {html} from "htm/preact"
import {useState} from "preact/hooks"
import {Dialog, Ring} from "./dialog.js"
import {Icon} from "./drawing.js"
import {act} from "./job_actions.js"
import {typeLabel} from "./job_types.js"
import {closeDialog} from "./overlay.js"
import {t} from "./texts.js"
import {colour, look, statusIcon, titleId} from "./wording.js"

export function ConfirmDialog({action, job}) {
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState("")
  const shown = look(job)
  const confirm = async () => {
    setBusy(true)
    setFailure("")
    try {
      await act(action, job)
      closeDialog()
    } catch (error) {
      setFailure(error.message)
      setBusy(false)
    }
  }
  const note = ["cancel", "abort"].includes(action) && job.status === "running" && job.stoppable === "prefect" ? t(`confirm.${action}.prefect`) : ""
  return html`<${Dialog} titleId="confirm-title" textId="confirm-text" testid="confirm-dialog" busy=${busy}>${({close}) => html`
    <h2 id="confirm-title">${t(`confirm.${action}.title`)}</h2>
    <p class="dialog-job"><span class=${colour(shown)}><${Icon} name=${statusIcon(shown)} /></span>${typeLabel(job.job_type)} ${titleId(job.job_id)}</p>
    <p id="confirm-text" class=${action === "cancel" ? "" : "warning"}>${t(`confirm.${action}.text`)}</p>
    ${note && html`<p class="dialog-note">${note}</p>`}
    <p class="problem" role="alert">${failure}</p>
    <div class="dialog-buttons">
      <button type="button" class="button" data-first-focus disabled=${busy} onClick=${close}>${t("confirm.dismiss")}</button>
      <button type="button" class="button ${action === "cancel" ? "amber-solid" : "red-solid"}" disabled=${busy} onClick=${confirm}>
        ${busy && html`<${Ring} />`}${t(busy ? `confirm.${action}.busy` : `confirm.${action}.do`)}</button>
    </div>`}<//>`
}
