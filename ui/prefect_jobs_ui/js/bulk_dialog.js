// One action on many jobs: first exactly which, then how far it is, then what became of each. The set is frozen by the
// server when it is previewed; the operation goes on when this window is closed, and `id` opens it again.
import {html} from "htm/preact"
import {useEffect, useState} from "preact/hooks"
import {select} from "./address.js"
import {Announced} from "./announced.js"
import {ask} from "./api.js"
import {beginRun, bulkRuns, dismiss, isOver, PAGE, stopRun} from "./bulk_runs.js"
import {Dialog, Ring} from "./dialog.js"
import {closeDialog} from "./overlay.js"
import {picks} from "./picks.js"
import {number} from "./numbers.js"
import {useStore} from "./store.js"
import {t} from "./texts.js"
import {shortId, stateLabel} from "./wording.js"

export function progressText(operation) {
  const {state, total, waiting} = operation
  if (state === "running") return t("bulk.running", {done: total - waiting, total})
  const receipt = t("bulk.receipt", operation)
  return state === "stopped" ? t("bulk.stopped", {receipt, n: waiting}) : receipt
}

function Preview({preview}) {
  const {count, eligible, by_state, reasons} = preview
  return html`<div data-testid="bulk-preview">
    <ul class="bulk-states">${Object.entries(by_state).map(([state, n]) => html`<li key=${state}>${stateLabel(state)} <b>${number(n)}</b></li>`)}</ul>
    ${eligible === 0 ? html`<p class="warning">${t("bulk.none")}</p>`
      : eligible === count ? html`<p>${t("bulk.will-all", {n: count})}</p>`
      : html`<p>${t("bulk.will", {eligible, count})}</p>`}
    ${Object.keys(reasons).length > 0 && html`<ul class="bulk-reasons">${Object.entries(reasons).map(([reason, n]) => html`<li key=${reason}><b>${number(n)}</b> ${reason}</li>`)}</ul>`}
    <p class="dialog-note">${t("bulk.frozen")}</p>
  </div>`
}

function Receipt({operation, items, onMore}) {
  const {done, refused, failed, total} = operation
  return html`<div class="bulk-receipt" data-testid="bulk-receipt">
    <table><caption class="sr-only">${t("bulk.table")}</caption>
      <thead><tr><th scope="col">${t("bulk.job")}</th><th scope="col">${t("bulk.outcome")}</th></tr></thead>
      <tbody>${items.map(({job_id, outcome, error}) => html`<tr key=${job_id}>
        <td><button type="button" class="link" onClick=${() => { closeDialog(); select(job_id) }}>${shortId(job_id)}</button></td>
        <td class="outcome ${outcome}">${t(`bulk.outcome.${outcome}`)}${error && html`<span>: ${error}</span>`}</td></tr>`)}</tbody>
    </table>
    ${onMore && items.length < total && html`<button type="button" class="button small" onClick=${onMore}>${t("bulk.more")}</button>`}
    <p class="sr-only">${t("bulk.receipt", {done, refused, failed})}</p>
  </div>`
}

export function BulkDialog({action, chosen, id: begun = null}) {
  const [preview, setPreview] = useState(null)
  const [id, setId] = useState(begun)
  const [further, setFurther] = useState([])
  const [starting, setStarting] = useState(false)
  const [failure, setFailure] = useState("")
  const operation = useStore(bulkRuns).operations.find(({operation_id}) => operation_id === id)
  useEffect(() => {
    if (begun) return
    ask("jobs/bulk", {method: "POST", query: {dry_run: true}, body: {action, ...chosen}}).then(setPreview, (error) => setFailure(error.message))
  }, [])

  const start = async () => {
    setStarting(true)
    setFailure("")
    try {
      setId(await beginRun(action, preview))
      picks.clear()
    } catch (error) { setFailure(error.message) }
    setStarting(false)
  }
  const items = operation ? [...operation.items, ...further] : []
  const more = () => ask(`jobs/bulk/${id}`, {query: {limit: PAGE, offset: items.length}}).then((found) => setFurther([...further, ...found.items]), (error) => setFailure(error.message))

  const count = operation?.total ?? preview?.count ?? chosen?.job_ids?.length
  const over = Boolean(operation) && isOver(operation)
  const leave = () => {
    if (over) dismiss(id)
    closeDialog()
  }
  const progress = operation ? progressText(operation) : ""
  return html`<${Dialog} titleId="bulk-title" textId="bulk-text" testid="bulk-dialog" className="wide-dialog" onClose=${leave}>${({close}) => html`
    <h2 id="bulk-title">${count === undefined ? t(`bulk.${action}`) : t(`bulk.title.${action}`, {n: count})}</h2>
    <div id="bulk-text">
      ${!operation && action === "purge" && html`<p class="warning">${t("bulk.warn.purge")}</p>`}
      ${!preview && !operation && !failure && html`<p role="status"><${Ring} /> ${t("bulk.counting")}</p>`}
      ${preview && !operation && html`<${Preview} preview=${preview} />`}
      ${operation && html`<p class="bulk-progress">${progress}</p><${Announced} text=${progress} step=${Math.floor(operation.progress / 25)} />
        <div class="bar big ${over ? "" : "running"}" role="progressbar" aria-label=${t(`bulk.title.${action}`, {n: operation.total})} aria-valuenow=${operation.progress} aria-valuemin="0" aria-valuemax="100"><div class="fill" style=${{width: `${operation.progress}%`}}></div></div>
        <${Receipt} operation=${operation} items=${items} onMore=${over && more} />`}
    </div>
    <p class="problem" role="alert">${failure || operation?.failure}</p>
    <div class="dialog-buttons">
      ${operation
        ? html`${!over && html`<button type="button" class="button" onClick=${() => stopRun(id)}>${t("bulk.stop")}</button>`}
          <button type="button" class="button" data-first-focus onClick=${close}>${t("close")}</button>`
        : html`<button type="button" class="button" data-first-focus onClick=${close}>${t("confirm.dismiss")}</button>
          <button type="button" class="button ${action === "purge" ? "red-solid" : action === "cancel" ? "amber-solid" : "blue-solid"}" disabled=${!preview?.eligible || starting} onClick=${start}>
            ${starting && html`<${Ring} />`}${preview ? t(`bulk.title.${action}`, {n: preview.eligible}) : t(`bulk.${action}`)}</button>`}
    </div>`}<//>`
}
