// The cards. The session in Python holds the same list and sends its edits; until its first word the rows that the
// server painted stay. What is drawn here must look like `page.html`.
import {Component} from "preact"
import {html} from "htm/preact"
import {useEffect, useState} from "preact/hooks"
import {draw, Icon} from "./drawing.js"
import {select, selection} from "./selection.js"
import {createStore, useModel, useStore} from "./store.js"
import {colour, distance, look, shortId, statusIcon, typeLabel} from "./wording.js"

const NOTHING_YET = "No background jobs have been created yet. Jobs will appear here when you export data or run other background tasks."

// How the list changes: pure.
export function applyEdit(cards, {put, at, drop}) {
  const id = put ? put.job_id : drop
  const next = cards.filter((card) => card.job_id !== id)
  if (put) next.splice(at, 0, put)
  return next
}

class Card extends Component {
  // A thousand cards may be loaded: only those that look different are drawn again.
  shouldComponentUpdate(next) {
    return ["card", "selected", "time"].some((key) => next[key] !== this.props[key])
  }

  render({card, selected, time}) {
    const shown = look(card)
    const tone = colour(shown)
    return html`<li>
      <button type="button" class="card ${selected ? "selected" : ""}" data-testid="job-item-${card.job_id}"
        aria-current=${selected ? "true" : null} onClick=${() => select(card.job_id)}>
        <span class="card-icon ${tone} ${shown === "running" ? "spin" : ""}"><${Icon} name=${statusIcon(shown)} /></span>
        <span class="card-type">${typeLabel(card.job_type)}</span>
        <span class="card-id">${shortId(card.job_id)}</span>
        <span class="card-time">${time}</span>
        <span class="card-line">
          <span class="card-status ${tone}">${shown}</span>
          ${card.message !== null && html`<span class="card-message">${card.message}</span>`}
        </span>
        ${card.status === "running" && card.progress > 0 && html`<span class="card-progress">
          <span class="bar"><span class="fill" style=${{width: `${card.progress}%`}}></span></span>
          <span class="percent">${card.progress}%</span>
        </span>`}
      </button>
    </li>`
  }
}

function Cards({model, cards, waiting, onMore}) {
  const {selected} = useStore(selection)
  const {has_more} = useModel(model, ["has_more"])
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 10000)
    return () => clearInterval(timer)
  }, [])
  const moment = Math.max(now, Date.now() - 10000)
  return html`<ul class="cards" data-testid="jobs-list">
    ${cards.map((card) => html`<${Card} key=${card.job_id} card=${card} selected=${card.job_id === selected} time=${distance(card.created_at, moment)} />`)}
    ${has_more && html`<li class="more"><button type="button" class="button" disabled=${waiting} onClick=${onMore}>${waiting ? "Loading..." : "Show more"}</button></li>`}
  </ul>`
}

function Body({model, store}) {
  const {phase, cards, failure, waiting} = useStore(store)
  const more = () => {
    store.set({waiting: true})
    model.send_msg({kind: "more"})
  }
  if (phase === "loading") return html`<div class="whole"><span class="ring" aria-hidden="true"></span><p role="status">Loading jobs...</p></div>`
  if (phase === "failed") {
    return html`<div class="whole"><div class="load-error" role="alert"><h2>Error Loading Jobs</h2><p>${failure || "An error occurred"}</p></div></div>`
  }
  if (phase === "empty") {
    return html`<div class="whole" data-testid="jobs-empty-state"><${Icon} name="briefcase" /><h2>No Jobs Found</h2><p>${NOTHING_YET}</p></div>`
  }
  return html`<${Cards} model=${model} cards=${cards} waiting=${waiting} onMore=${more} />`
}

export function render({model}) {
  const store = createStore({phase: "loading", cards: [], failure: null, waiting: false})
  const show = (patch) => {
    store.set(patch)
    document.getElementById("jobs-page").dataset.phase = store.get().phase
    draw(html`<${Body} model=${model} store=${store} />`, "list")
  }
  const showCards = (cards) => show({cards, phase: cards.length ? "ready" : "empty", waiting: false})
  model.on("msg:custom", (message) => {
    if (message.kind === "phase") show({phase: message.phase, failure: message.failure})
    else if (message.kind === "window") showCards(message.cards)
    else if (message.kind === "edits") showCards(message.edits.reduce(applyEdit, store.get().cards))
    else if (message.kind === "more_failed") store.set({waiting: false})
  })
  model.send_msg({kind: "ready"})
}
