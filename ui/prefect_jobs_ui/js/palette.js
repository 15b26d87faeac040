// Ctrl+K: jobs by their id or text, and everything that the page can do, found by typing.
import {html} from "htm/preact"
import {useEffect, useState} from "preact/hooks"
import {address, filterBy, go, NO_FILTER, select} from "./address.js"
import {ask, rights, signOut} from "./api.js"
import {beginBulk, BULK_ICONS, chosenCount} from "./bulk_bar.js"
import {searchOf} from "./bulk_filter.js"
import {copyText} from "./copying.js"
import {Dialog} from "./dialog.js"
import {Icon} from "./drawing.js"
import {actionsOf, begin, ICONS, inPrefect, isAsked} from "./job_actions.js"
import {downloadOf} from "./job_result.js"
import {typeLabel, types} from "./job_types.js"
import {LogPages} from "./log_pages.js"
import {closeDialog, openDialog, say} from "./overlay.js"
import {picks} from "./picks.js"
import {statusOption} from "./search_bar.js"
import {shownJob} from "./shown_job.js"
import {useStore} from "./store.js"
import {t} from "./texts.js"
import {chooseTheme, THEMES} from "./theme.js"
import {colour, look, shortId, statusIcon, statusLabel} from "./wording.js"

const PAUSE_MS = 120
const JOBS = 6
const STATUSES = ["", "running", "pending", "completed", "failed", "cancelled"]

function download(from) {
  const link = document.createElement("a")
  link.href = from
  link.download = ""
  link.click()
}

// Each does something and names the group it stands in: {group, label, hint, icon, run}.
export function commands({job, log, chosen, may, model}) {
  const page = t("palette.page")
  const entry = (label, icon, run) => ({group: page, label, icon, run})
  const list = []
  if (job) {
    const mine = (label, icon, run) => list.push({group: t("palette.this-job"), label: `${label}: ${typeLabel(job.job_type)} ${shortId(job.job_id)}`, icon, run})
    for (const action of actionsOf(job)) if (may(action) && !isAsked(action, job)) mine(t(`action.${action}`), ICONS[action], () => begin(action, job))
    if (may("start")) mine(t("again"), "play", () => openDialog("start", {like: job.job_id}))
    if (downloadOf(job.result)) mine(t("result.download"), "download", () => download(`.${downloadOf(job.result)}`))
    if (job.error) mine(t("error.title"), "alert", () => openDialog("error", {job}))
    if (log) {
      mine(t("log.copy"), "copy", log.copyAll)
      mine(t("log.follow.name"), "refresh", log.follow)
      mine(t("log.expand"), "expand", log.enlarge)
      mine(t("log.clear.name"), "trash", log.clear)
    }
    mine(t("log.download"), "download", () => download(new LogPages(job.job_id).file({format: "txt"})))
    if (inPrefect(job)) mine(t("prefect"), "external", () => open(inPrefect(job), "_blank", "noreferrer"))
    mine(t("copy.id"), "copy", () => copyText(job.job_id).then(() => say(t("done.copy"))))
  }
  if (chosen.any && may("bulk")) {
    const those = (label, icon, run) => list.push({group: t("pick.region"), label: `${label}: ${chosenCount(chosen)}`, icon, run})
    for (const [action, icon] of Object.entries(BULK_ICONS)) those(t(`bulk.${action}`), icon, () => beginBulk(action))
    those(t("pick.none"), "x", picks.clear)
  }
  if (may("start")) list.push(entry(t("new"), "plus", () => openDialog("start")))
  list.push(entry(t("refresh.name"), "refresh", () => model.send_msg({kind: "refresh"})))
  list.push(entry(t("stats.name"), "chart", () => go({view: "stats"}, {push: true})))
  for (const status of STATUSES) {
    list.push(entry(t("palette.show", {what: status ? statusOption(status) : t("filter.all")}), status ? statusIcon(status) : "funnel", () => { go({view: ""}, {push: false}); filterBy({status}) }))
  }
  for (const {name} of types.get().known) list.push(entry(t("palette.show", {what: typeLabel(name)}), "funnel", () => { go({view: ""}, {push: false}); filterBy({type: name}) }))
  list.push(entry(t("filter.clear"), "x", () => filterBy(NO_FILTER)))
  if (may("bulk")) list.push(entry(t("palette.select-all"), "check", () => picks.all(searchOf(address.get()))))
  list.push(entry(t("palette.link"), "copy", () => copyText(location.href).then(() => say(t("done.copy")))))
  for (const [name, {icon}] of Object.entries(THEMES)) list.push(entry(t("theme.name", {theme: t(`theme.${name}`)}), icon, () => chooseTheme(name)))
  list.push(entry(t("palette.help"), "command", () => openDialog("help")))
  if (model.who) list.push(entry(t("sign-out"), "sign-out", signOut))
  return list
}

// Every word must stand somewhere in the label.
export const finds = (text, label) => text.toLowerCase().split(/\s+/).every((word) => label.toLowerCase().includes(word))

export function Palette({model}) {
  const {may} = useStore(rights)
  const shown = useStore(shownJob)
  const [text, setText] = useState("")
  const [jobs, setJobs] = useState([])
  const [active, setActive] = useState(0)
  const wanted = text.trim()
  useEffect(() => {
    if (!wanted) { setJobs([]); return undefined }
    const stop = new AbortController()
    const timer = setTimeout(() => {
      ask("jobs/search", {query: {q: wanted, limit: JOBS}, signal: stop.signal}).then(({data}) => setJobs(data), () => setJobs([]))
    }, PAUSE_MS)
    return () => { clearTimeout(timer); stop.abort() }
  }, [wanted])
  const found = [
    ...jobs.map((job) => ({
      group: t("palette.jobs"), label: `${typeLabel(job.job_type)} ${job.job_id}`, hint: statusLabel(look(job)), icon: statusIcon(look(job)), tone: colour(look(job)),
      run: () => { go({view: ""}, {push: false}); select(job.job_id) },
    })),
    ...commands({...(address.get().job ? shown : {job: null}), chosen: picks.get(), may, model}).filter(({label}) => finds(wanted, label)),
  ]
  const at = Math.min(active, Math.max(0, found.length - 1))
  useEffect(() => { document.getElementById(`command-${at}`)?.scrollIntoView({block: "nearest"}) }, [at, found.length])
  const run = (command) => {
    closeDialog()
    command.run()
  }
  const keys = (event) => {
    const moves = {ArrowDown: (at + 1) % Math.max(1, found.length), ArrowUp: (at + found.length - 1) % Math.max(1, found.length)}
    if (event.key === "Enter" && found[at]) run(found[at])
    else if (Object.hasOwn(moves, event.key)) setActive(moves[event.key])
    else return
    event.preventDefault()
  }
  return html`<${Dialog} titleId="palette-title" testid="palette" className="palette">
    <h2 id="palette-title" class="sr-only">${t("palette.name")}</h2>
    <div class="palette-input"><${Icon} name="search" /><input type="text" autocomplete="off" spellcheck=${false} data-first-focus placeholder=${t("palette.search")} aria-label=${t("palette.search")}
      role="combobox" aria-expanded="true" aria-controls="commands" aria-activedescendant=${found.length ? `command-${at}` : null} aria-autocomplete="list"
      value=${text} onInput=${(event) => { setText(event.target.value); setActive(0) }} onKeyDown=${keys} /></div>
    <p class="sr-only" role="status">${t("palette.results", {n: found.length})}</p>
    <ul id="commands" class="commands" role="listbox" aria-label=${t("palette.name")}>
      ${found.map((command, index) => html`
        <li key=${`${command.group}-${command.label}`} id="command-${index}" role="option" aria-selected=${String(index === at)} class=${index === at ? "active" : ""}
          onPointerMove=${() => setActive(index)} onClick=${() => run(command)}>
          <span class=${command.tone ?? "quiet"}><${Icon} name=${command.icon} /></span><span class="command-label">${command.label}</span><span class="command-group">${command.hint ?? command.group}</span></li>`)}
      ${found.length === 0 && html`<li role="option" aria-disabled="true" aria-selected="false" class="nothing-found">${t("palette.nothing")}</li>`}
    </ul><//>`
}
