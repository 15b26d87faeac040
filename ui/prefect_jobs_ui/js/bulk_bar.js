// What can be done to the chosen jobs, and what is being done to those that were chosen before, above the list.
import {html} from "htm/preact"
import {address} from "./address.js"
import {rights} from "./api.js"
import {searchOf} from "./bulk_filter.js"
import {bulkRuns, isOver} from "./bulk_runs.js"
import {Icon} from "./drawing.js"
import {listState} from "./list_state.js"
import {number} from "./numbers.js"
import {openDialog} from "./overlay.js"
import {picks} from "./picks.js"
import {useStore} from "./store.js"
import {t} from "./texts.js"

export const BULK_ICONS = {cancel: "cancel", retry: "refresh", purge: "trash"}

export function beginBulk(action) {
  const {ids, filter} = picks.get()
  openDialog("bulk", {action, chosen: filter ? {filter} : {job_ids: [...ids]}})
}

// How many jobs match, as far as that is known; a preview counts them.
const allOf = ({total, exact}) => (exact ? total ?? 0 : `${number(total)}+`)
export const chosenCount = ({ids, filter}) => t("pick.count", {n: filter ? allOf(listState.get()) : ids.size})

export function BulkBar() {
  const chosen = useStore(picks)
  const {ids, filter, any} = chosen
  const list = useStore(listState)
  const {may} = useStore(rights)
  if (!any || !may("bulk")) return html`<div role="status"></div>`
  return html`<div class="bulk-bar" role="region" aria-label=${t("pick.region")} data-testid="bulk-bar">
    <button type="button" class="button small icon-button" aria-label=${t("pick.none")} title=${t("pick.none")} onClick=${picks.clear}><${Icon} name="x" /></button>
    <span class="bulk-count" role="status">${chosenCount(chosen)}</span>
    ${Object.entries(BULK_ICONS).map(([action, icon]) => html`<button key=${action} type="button" class="button small ${action === "purge" ? "delete" : action}" onClick=${() => beginBulk(action)}>
      <${Icon} name=${icon} /><span>${t(`bulk.${action}`)}</span></button>`)}
    ${!filter && list.total > ids.size && html`<button type="button" class="button small plain" onClick=${() => picks.all(searchOf(address.get()))}>${t("pick.all", {n: allOf(list)})}</button>`}
  </div>`
}

export function BulkRuns() {
  const {operations} = useStore(bulkRuns)
  const word = ({state, total, waiting}) => (state === "running" ? t("bulk.run.of", {done: total - waiting, total}) : t(`bulk.run.${state}`))
  return html`<div class="bulk-runs">${operations.map((operation) => html`<button key=${operation.operation_id} type="button" class="button small" onClick=${() => openDialog("bulk", {id: operation.operation_id, action: operation.action})}>
    <${Icon} name=${isOver(operation) ? "check" : "status-running"} className=${isOver(operation) ? "" : "spin"} />${t(`bulk.run.${operation.action}`, {progress: word(operation)})}</button>`)}</div>`
}
