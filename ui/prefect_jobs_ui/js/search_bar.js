// What the list shows: the status tabs with their counts, the text, the type. All of it lives in the URL.
import {html} from "htm/preact"
import {useEffect, useRef} from "preact/hooks"
import {address, filterBy, isFiltered, NO_FILTER} from "./address.js"
import {Announced} from "./announced.js"
import {Icon} from "./drawing.js"
import {loadTypes, typeLabel, types} from "./job_types.js"
import {listState} from "./list_state.js"
import {number} from "./numbers.js"
import {useStore} from "./store.js"
import {t} from "./texts.js"
import {statusIcon, colour} from "./wording.js"

// In the order of an operator's day: what runs, what waits, what ended how.
const STATUSES = ["running", "pending", "completed", "failed", "cancelled"]
const OPTIONS = ["pending", "running", "completed", "failed", "cancelled"]
export const statusOption = (status) => t(status === "running" ? "status.processing" : `status.${status}`)

export function StatusTabs({counts}) {
  const {status} = useStore(address)
  const tab = (value, label, count, icon) => html`<li key=${value}><button type="button" class="tab" aria-pressed=${String(status === value)} onClick=${() => filterBy({status: value})}>
    ${icon && html`<span class="tab-icon ${colour(value)} ${value === "running" && count ? "spin slow" : ""}"><${Icon} name=${icon} /></span>`}
    <span>${label}</span> <span class="tab-count">${count === undefined ? "" : number(count)}</span></button></li>`
  const count = (look) => (counts === null ? undefined : counts.by_look[look] ?? 0)
  return html`<ul class="tabs" aria-label=${t("filter.tabs")}>
    ${tab("", t("filter.all"), counts?.total)}
    ${STATUSES.map((value) => tab(value, statusOption(value), count(value), statusIcon(value)))}
  </ul>`
}

function SearchInput() {
  const {q} = useStore(address)
  const input = useRef(null)
  const keys = (event) => {
    if (event.key !== "Escape") return
    event.stopPropagation()
    filterBy(NO_FILTER)
  }
  const clear = () => {
    filterBy({q: ""})
    input.current.focus()
  }
  return html`<div class="search-field">
    <span class="search-icon" data-testid="search-icon"><${Icon} name="search" /></span>
    <input id="search" type="text" inputmode="search" enterkeyhint="search" autocomplete="off" autocapitalize="none" spellcheck=${false} maxlength="1000" ref=${input}
      placeholder=${t("search")} aria-label=${t("search.name")} title=${t("search.hint")} value=${q} onInput=${(event) => filterBy({q: event.target.value})} onKeyDown=${keys} />
    ${q ? html`<button type="button" class="clear-search" aria-label=${t("search.clear")} onClick=${clear}><${Icon} name="x" /></button>`
      : html`<kbd aria-hidden="true">/</kbd>`}
  </div>`
}

// Every type that the server knows, with its count; the built-in ones are known without asking.
export function typeOptions(found, counts, chosen) {
  const names = new Set([...found.map(({name}) => name), ...Object.keys(counts?.by_type ?? {}), ...(chosen ? [chosen] : [])])
  return [...names].map((name) => {
    const label = typeLabel(name)
    const count = counts?.by_type[name] ?? 0
    return {value: name, label, text: counts === null ? label : `${label} (${number(count)})`}
  })
}

export function SearchBar({counts}) {
  const shown = useStore(address)
  const {status, type} = shown
  const found = useStore(types).known
  const {total, exact, phase, answers} = useStore(listState)
  useEffect(() => { loadTypes() }, [])
  const amount = total === null || phase === "loading" ? "" : exact ? t("count.job", {n: total}) : t("count.least", {n: total})
  return html`<div class="search-row" role="search">
    <${SearchInput} />
    <label class="sr-only" for="status-select">${t("filter.status")}</label>
    <select id="status-select" class="select status-select" value=${status} onChange=${(event) => filterBy({status: event.target.value})}>
      <option value="">${t("filter.all")}</option>
      ${OPTIONS.map((value) => html`<option key=${value} value=${value}>${statusOption(value)}</option>`)}
    </select>
    <span class="select-box"><span aria-hidden="true">${t("filter.type")}</span><label class="sr-only" for="type-select">${t("filter.type")}</label>
      <select id="type-select" class="select" value=${type} onChange=${(event) => filterBy({type: event.target.value})}>
        <option value="">${t("filter.all")}</option>
        ${typeOptions(found, counts, type).map(({value, text}) => html`<option key=${value} value=${value}>${text}</option>`)}
      </select></span>
    ${isFiltered(shown) && html`<button type="button" class="button" onClick=${() => filterBy(NO_FILTER)}><${Icon} name="x" />${t("filter.clear")}</button>
      <span class="active-filters" data-testid="active-filters-indicator"><${Icon} name="funnel" />${t("filter.active")}</span>`}
    <span class="count" data-testid="jobs-count" title=${exact ? null : t("count.least.hint")}>${amount}</span><${Announced} text=${amount} step=${answers} />
  </div>`
}
