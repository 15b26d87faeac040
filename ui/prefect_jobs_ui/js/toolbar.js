// The header and the search bar. It owns the URL: which jobs are shown and which is selected, it tells the session in
// Python. What lies over the page (dialogs, commands, statistics) is drawn from here too.
import {html} from "htm/preact"
import {useEffect, useState} from "preact/hooks"
import {address, filterBy, go, isFiltered} from "./address.js"
import {Announced} from "./announced.js"
import {rights, signOut} from "./api.js"
import {Overlay} from "./dialogs.js"
import {draw, Icon} from "./drawing.js"
import {listenToKeys} from "./keys.js"
import {listState} from "./list_state.js"
import {openDialog} from "./overlay.js"
import {watchServer} from "./page_server.js"
import {SearchBar, StatusTabs} from "./search_bar.js"
import {Statistics} from "./statistics.js"
import {useModel, useStore} from "./store.js"
import {showInTab} from "./tab_title.js"
import {ThemeButton} from "./theme.js"
import {t} from "./texts.js"
import {relative} from "./wording.js"

const TEXT_PAUSE_MS = 300

function SignOutButton({who}) {
  const [leaving, setLeaving] = useState(false)
  const leave = () => {
    setLeaving(true)
    signOut()
  }
  return html`<button type="button" class="button icon-button" aria-label=${t("sign-out")} title=${t("sign-out.hint", {who})} disabled=${leaving} onClick=${leave}>
    <${Icon} name="sign-out" />
  </button>`
}

function Header({model, refreshing, who}) {
  const {may} = useStore(rights)
  const {view} = useStore(address)
  const statistics = view === "stats"
  return html`<div class="toolbar">
    <span class="brand"><${Icon} name="briefcase" /></span>
    <div class="title"><h1>${t("title")}</h1><p>${t("subtitle")}</p></div>
    ${who && html`<${SignOutButton} who=${who} />`}
    <button type="button" class="button icon-button command-button" aria-label=${t("palette.name")} title=${t("palette.hint")} aria-keyshortcuts="Control+K" onClick=${() => openDialog("palette")}><${Icon} name="command" /></button>
    <${ThemeButton} />
    ${may("start") && html`<button type="button" class="button compact" aria-label=${t("new")} onClick=${() => openDialog("start")}><${Icon} name="plus" /><span class="wide">${t("new")}</span></button>`}
    <button type="button" class="button compact" aria-label=${t("stats.name")} aria-pressed=${String(statistics)} onClick=${() => go({view: statistics ? "" : "stats"}, {push: true})}>
      <${Icon} name="chart" /><span class="wide">${t("stats")}</span></button>
    <button type="button" class="button compact refresh" aria-label=${t("refresh.name")} disabled=${refreshing} onClick=${() => model.send_msg({kind: "refresh"})}>
      <${Icon} name="refresh" className=${refreshing ? "spin" : ""} /><span class="wide">${t("refresh")}</span>
    </button>
  </div>`
}

// How old what is shown is. It ticks for the eye only: a screen reader hears the sentence once.
function Age({since}) {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [since])
  return html`<span class="notice-age" aria-hidden="true">(${relative(new Date(since).toISOString(), now)})</span>`
}

function Toolbar({model}) {
  const {counts, refreshing, notice, known_at, who, signed_out} = useModel(model, ["counts", "refreshing", "notice", "known_at", "who", "signed_out"])
  const {fetching, phase} = useStore(listState)
  const shown = useStore(address)
  useEffect(() => { if (signed_out) location.reload() }, [signed_out]) // the server answers with the form to sign in
  useEffect(() => showInTab(counts), [counts])
  const searchable = (counts === null ? phase !== "failed" : counts.total > 0) || isFiltered(shown)
  return html`
    <${Header} model=${model} refreshing=${refreshing || fetching} who=${who} />
    ${searchable && shown.view !== "stats" && html`<div class="search-rows">
      <${StatusTabs} counts=${counts} />
      <${SearchBar} counts=${counts} />
    </div>`}
    ${notice && html`<p class="notice" data-testid="feed-notice"><${Icon} name="alert" />${notice}${known_at > 0 && html` <${Age} since=${known_at} />`}</p>`}
    <${Announced} text=${notice} />`
}

// Tells the session which jobs are wanted: a text when it rests, everything else at once.
function tellFilter(model) {
  const wanted = () => {
    const {q, status, type} = address.get()
    return {q: q.trim(), status, job_type: type}
  }
  let told = wanted()
  let resting = 0
  address.watch(() => {
    const now = wanted()
    clearTimeout(resting)
    if (["q", "status", "job_type"].every((key) => now[key] === told[key])) return
    const tell = () => {
      told = now
      listState.set({fetching: true})
      model.send_msg({kind: "filter", ...now})
    }
    const typed = now.q && now.status === told.status && now.job_type === told.job_type
    resting = setTimeout(tell, typed ? TEXT_PAUSE_MS : 0)
  })
}

// Somebody may type before any script has come: the text, and the focus, go into the field that is drawn now.
function earlyTyping() {
  const field = document.querySelector("#toolbar #search")
  const text = field?.value ?? ""
  const focused = field !== null && document.activeElement === field
  return () => {
    if (text !== address.get().q && text) filterBy({q: text})
    if (focused) document.getElementById("search")?.focus()
  }
}

export function render({model, view}) {
  watchServer(view.model.document)
  rights.learn(model.role)
  const page = document.getElementById("jobs-page")
  let selected
  const tell = () => {
    const now = address.get()
    page.toggleAttribute("data-selected", Boolean(now.job))
    page.dataset.view = now.view === "stats" ? "stats" : "jobs"
    if (now.job === selected) return
    selected = now.job
    model.send_msg({kind: "select", job_id: selected || null})
  }
  address.watch(tell)
  tell()
  tellFilter(model)
  listenToKeys({refresh: () => model.send_msg({kind: "refresh"})})
  const early = earlyTyping()
  draw(html`<${Toolbar} model=${model} />`, "toolbar")
  early()
  draw(html`<${Statistics} model=${model} />`, "statistics")
  draw(html`<${Overlay} model=${model} />`, "overlay")
}
