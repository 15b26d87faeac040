// The cards. The session in Python holds the same rows and sends its edits; until its first word the rows that the
// server painted stay. What is drawn here must look like `page.html`.
import {html} from "htm/preact"
import {Cards} from "./cards.js"
import {address, isFiltered} from "./address.js"
import {draw, Icon} from "./drawing.js"
import {BulkBar, BulkRuns} from "./bulk_bar.js"
import {resumeRuns} from "./bulk_runs.js"
import {listState} from "./list_state.js"
import {applyEdits, NO_ROWS} from "./list_rows.js"
import {createStore, useStore} from "./store.js"
import {t} from "./texts.js"

function Body({model, rows}) {
  const {phase, failure} = useStore(listState)
  if (phase === "loading") return html`<div class="whole"><span class="ring" aria-hidden="true"></span><p role="status">${t("loading.jobs")}</p></div>`
  if (phase === "failed") {
    return html`<div class="whole"><div class="load-error" role="alert"><h2>${t("failed.jobs")}</h2><p>${failure || t("failed.unknown")}</p></div></div>`
  }
  if (phase === "refused") {
    return html`<div class="no-match" role="alert"><${Icon} name="alert" /><h2>${t("refused.search")}</h2><p>${failure}</p></div>`
  }
  if (phase === "empty") {
    return html`<div class="whole" data-testid="jobs-empty-state"><${Icon} name="briefcase" /><h2>${t("empty.title")}</h2><p>${t("empty.text")}</p></div>`
  }
  if (phase === "nothing") return html`<p class="no-match" role="status">${t("nothing-matches")}</p>`
  return html`<${Cards} model=${model} rows=${rows} />`
}

export function render({model}) {
  const rows = createStore({...NO_ROWS, above: 0})
  const show = (patch) => {
    listState.set(patch)
    const {phase} = listState.get()
    // With a filter the page stays split, so that nothing jumps while somebody types.
    const split = phase === "ready" || phase === "nothing" || phase === "refused" || (phase === "loading" && isFiltered(address.get()))
    document.getElementById("jobs-page").dataset.phase = split ? "ready" : phase
    draw(html`<${Body} model=${model} rows=${rows} />`, "list")
  }
  const showRows = (next, {total, exact, newer, filtered, reading}, above = 0) => {
    rows.set({...next, total, above: rows.get().above + above})
    show({total, exact, newer, failure: null, phase: total ? "ready" : filtered ? "nothing" : reading ? "loading" : "empty"})
  }
  model.on("msg:custom", (message) => {
    if (message.kind === "phase") show({phase: message.phase, failure: message.failure, fetching: false, total: null})
    else if (message.kind === "rows") {
      const {fetching, answers} = listState.get()
      listState.set({fetching: false, answers: answers + (fetching ? 1 : 0)})
      showRows({start: message.start, cards: message.cards}, message)
    } else if (message.kind === "edits") {
      const {rows: next, above} = applyEdits(rows.get(), message.edits, Cards.firstShown?.() ?? 0)
      showRows(next, message, above)
    }
  })
  resumeRuns()
  draw(html`<${BulkRuns} /><${BulkBar} />`, "list-head")
  const {q, status, type} = address.get()
  model.send_msg({kind: "ready", q: q.trim(), status, job_type: type})
}
