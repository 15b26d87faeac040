// The rows in sight, whatever the number of jobs: the scroll box is as tall as all of them, and the few that are seen
// are drawn where they belong. Rows that are not loaded yet are asked for and drawn as shapes.
import {Component} from "preact"
import {html} from "htm/preact"
import {useEffect, useLayoutEffect, useReducer, useRef} from "preact/hooks"
import {address, select, watchFilter} from "./address.js"
import {rights} from "./api.js"
import {Icon, paper} from "./drawing.js"
import {typeLabel, types} from "./job_types.js"
import {listKeys} from "./keys.js"
import {lacking, rowAt, rowOf} from "./list_rows.js"
import {listState} from "./list_state.js"
import {pickRange} from "./pick_range.js"
import {picks} from "./picks.js"
import {useStore} from "./store.js"
import {TallScroll} from "./tall_scroll.js"
import {t} from "./texts.js"
import {colour, distance, fullTime, look, shortId, statusIcon} from "./wording.js"

const ROW = 76
const SPARE_ROWS = 6
const ASK_AGAIN_MS = 1000
const LONG_PRESS_MS = 500 // a phone's own measure; iPhones tell of a long press by no event

class Card extends Component {
  // Only cards that look different are drawn again.
  shouldComponentUpdate(next) {
    return ["card", "label", "selected", "time", "picked", "pickable", "row", "top", "total"].some((key) => next[key] !== this.props[key])
  }

  componentWillUnmount() {
    clearTimeout(this.pressed)
  }

  render({card, label, selected, time, picked, pickable, row, top, total, onPick}) {
    const shown = look(card)
    const tone = colour(shown)
    const click = (event) => {
      if (pickable && (event.shiftKey || event.ctrlKey || event.metaKey)) onPick(card, event.shiftKey)
      else select(card.job_id)
    }
    const press = () => {
      this.held = false
      if (pickable) this.pressed = setTimeout(held, LONG_PRESS_MS)
    }
    const lift = () => {
      clearTimeout(this.pressed)
      this.pressed = 0
    }
    const end = (event) => {
      lift()
      if (this.held) event.preventDefault() // else a click follows, on whatever is under the finger by now
    }
    const held = () => {
      lift()
      this.held = true
      onPick(card, false)
    }
    const menu = (event) => {
      if (!pickable || event.pointerType !== "touch") return
      event.preventDefault()
      if (this.pressed) held()
    }
    return html`<li class="row-box ${pickable ? "pickable" : ""} ${picked ? "picked" : ""}" style=${{transform: `translateY(${top}px)`}} aria-setsize=${total} aria-posinset=${row + 1}>
      <button type="button" class="card ${selected ? "selected" : ""}" data-testid="job-item-${card.job_id}" data-row=${row}
        aria-current=${selected ? "true" : null} onClick=${click} onTouchStart=${press} onTouchMove=${lift} onTouchEnd=${end} onTouchCancel=${lift} onContextMenu=${menu}>
        <span class="card-icon ${tone} ${shown === "running" ? "spin" : ""}"><${Icon} name=${statusIcon(shown)} /></span>
        <span class="card-type" title=${card.job_type}>${label}</span>
        <span class="card-id">${shortId(card.job_id)}</span>
        <time class="card-time" datetime=${card.created_at} title=${fullTime(card.created_at)}>${time}</time>
        <span class="card-line">
          <span class="card-status ${tone}">${shown}</span>
          ${card.message !== null && html`<span class="card-message">${card.message}</span>`}
        </span>
        ${card.status === "running" && card.progress > 0 && html`<span class="card-progress">
          <span class="bar"><span class="fill" style=${{width: `${card.progress}%`}}></span></span>
          <span class="percent">${card.progress}%</span>
        </span>`}
      </button>
      ${pickable && html`<label class="pick"><input type="checkbox" tabindex=${picked ? "0" : "-1"} checked=${picked} aria-label=${t("pick.name", {job: `${label} ${shortId(card.job_id)}`})}
        onClick=${(event) => { event.stopPropagation(); onPick(card, event.shiftKey) }} /></label>`}
    </li>`
  }
}

const Shape = ({row, top, total}) => html`<li class="row-box shape" style=${{transform: `translateY(${top}px)`}} aria-setsize=${total} aria-posinset=${row + 1} aria-busy="true"><span></span><span></span></li>`

// A clock that ticks often enough for words like `2 minutes ago`.
function useNow(every) {
  const [, tick] = useReducer((n) => n + 1, 0)
  useEffect(() => {
    const timer = setInterval(tick, every)
    return () => clearInterval(timer)
  }, [every])
  return Date.now()
}

export function Cards({model, rows: store}) {
  const rows = useStore(store)
  const {job: selected} = useStore(address)
  const chosen = useStore(picks)
  const {may} = useStore(rights)
  useStore(types) // whose titles the cards show
  const {newer, fetching} = useStore(listState)
  const now = useNow(10000)
  const [, redraw] = useReducer((n) => n + 1, 0)
  const state = useRef(null)
  state.current ??= {scroll: new TallScroll(ROW), above: rows.above, asked: null, focus: null, anchor: null, held: false}
  const me = state.current
  me.rows = rows
  Cards.firstShown = () => me.scroll.visible[0]

  const box = () => document.getElementById("list")
  // On a phone the list is out of sight while a job is open, and taller: it keeps the height that it will have again.
  const height = () => (getComputedStyle(box()).visibility === "hidden" ? me.scroll.viewport : box().clientHeight)
  const follow = (physical) => { if (Math.abs(box().scrollTop - physical) >= 1) box().scrollTop = physical }
  const ask = () => {
    const wanted = lacking(me.rows, me.scroll.visible)
    if (!wanted) return
    const known = me.asked
    if (known && known.first === wanted.first && known.last === wanted.last && Date.now() - known.at < ASK_AGAIN_MS) return
    me.asked = {...wanted, at: Date.now()}
    model.send_msg({kind: "rows", ...wanted})
  }
  // While somebody reads, new jobs wait: scrolled down, or with the pointer over the list.
  const hold = () => {
    const held = me.scroll.top > 4 || me.pointer === true
    if (held === me.held) return
    me.held = held
    model.send_msg({kind: "hold", held})
  }
  const showNewer = () => {
    follow(me.scroll.moveTo(0))
    me.held = false
    me.pointer = false
    model.send_msg({kind: "rows", first: 0, last: 60})
    model.send_msg({kind: "hold", held: false})
    redraw()
  }

  useLayoutEffect(() => {
    const element = box()
    let frame = 0
    const onScroll = () => {
      follow(me.scroll.scrolled(element.scrollTop))
      cancelAnimationFrame(frame)
      frame = requestAnimationFrame(() => { hold(); ask(); redraw() })
    }
    const onPointer = (event) => {
      me.pointer = event.type !== "pointerleave" && event.pointerType === "mouse"
      hold()
    }
    const watcher = new ResizeObserver(() => {
      if (paper.matches) return
      follow(me.scroll.resize(me.rows.total, height()))
      ask()
      redraw()
    })
    watcher.observe(element)
    element.addEventListener("scroll", onScroll, {passive: true})
    for (const name of ["pointermove", "pointerleave"]) element.addEventListener(name, onPointer, {passive: true})
    return () => {
      watcher.disconnect()
      cancelAnimationFrame(frame)
      element.removeEventListener("scroll", onScroll)
      for (const name of ["pointermove", "pointerleave"]) element.removeEventListener(name, onPointer)
    }
  }, [])

  // Another filter is another list: from its top.
  const list = `${rows.start === 0}`
  useLayoutEffect(() => watchFilter(() => {
    me.anchor = null
    follow(me.scroll.moveTo(0))
  }), [])

  useLayoutEffect(() => {
    const wanted = me.scroll.resize(rows.total, height())
    const moved = rows.above - me.above
    me.above = rows.above
    follow(moved && me.scroll.top > 4 ? me.scroll.moveTo(me.scroll.top + moved * ROW) : wanted)
    ask()
    if (moved) redraw()
  }, [rows, list])

  useLayoutEffect(() => {
    if (me.focus === null) return
    const card = box().querySelector(`[data-row="${me.focus}"]`)
    if (!card) return
    me.focus = null
    card.focus({preventScroll: true})
  })

  const here = () => {
    const row = Number(document.activeElement?.closest?.("#list .row-box")?.querySelector("[data-row]")?.dataset.row ?? NaN)
    return Number.isNaN(row) ? rowOf(me.rows, address.get().job) : row
  }
  const pick = (card, range) => {
    if (range && me.anchor !== null) pickRange(me.anchor, card, me.rows)
    else picks.toggle(card.job_id)
    me.anchor = card
  }
  listKeys.move = (by) => {
    const at = here()
    const row = Math.min(me.rows.total - 1, Math.max(0, at === null ? me.scroll.visible[0] : at + by))
    me.focus = row
    follow(me.scroll.reveal(row))
    ask()
    redraw()
  }
  listKeys.pick = () => {
    const row = here()
    const card = row === null ? undefined : rowAt(me.rows, row)
    if (card && may("bulk")) pick(card, false)
  }

  const [first, last] = me.scroll.visible
  const drawn = []
  for (let row = Math.max(0, first - SPARE_ROWS); row < Math.min(rows.total, last + SPARE_ROWS); row++) drawn.push(row)
  const focused = here()
  if (focused !== null && focused < rows.total && !drawn.includes(focused) && rowAt(rows, focused)) drawn.push(focused)
  return html`
    ${newer > 0 && html`<div class="newer-place"><button type="button" class="newer" aria-label=${t("newer.name", {n: newer})} onClick=${showNewer}><${Icon} name="arrow-up" />${t("newer", {n: newer})}</button></div>`}
    <ul class="cards ${fetching ? "fetching" : ""} ${chosen.any ? "picking" : ""}" data-testid="jobs-list" style=${{height: `${me.scroll.height || rows.total * ROW}px`}}>
      ${drawn.map((row) => {
        const card = rowAt(rows, row)
        const top = me.scroll.place(row)
        if (!card) return html`<${Shape} key=${`row-${row}`} row=${row} top=${top} total=${rows.total} />`
        return html`<${Card} key=${card.job_id} card=${card} label=${typeLabel(card.job_type)} row=${row} top=${top} total=${rows.total} selected=${card.job_id === selected}
          time=${distance(card.created_at, now)} pickable=${may("bulk")} picked=${picks.has(card.job_id)} onPick=${pick} />`
      })}
    </ul>`
}
