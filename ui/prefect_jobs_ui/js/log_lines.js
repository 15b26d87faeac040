// The box of lines. Only the rows in sight are in the document, whatever the length of the log; heights are measured as
// drawn, and what is being read stays in its place while lines come, go or change their height above it.
import {html} from "htm/preact"
import {useLayoutEffect, useReducer, useRef} from "preact/hooks"
import {paper} from "./drawing.js"
import {textOf} from "./log_copying.js"
import {Gap, Line, Mark} from "./log_row.js"
import {rowsOf} from "./log_rows.js"
import {RowHeights} from "./row_heights.js"
import {t} from "./texts.js"

const GUESS = 21 // one line of text, in pixels
const SPARE = 240 // pixels drawn above and below the box
const AHEAD = 1200 // pixels within which what is missing is loaded
const REST_MS = 90 // a scroll bar that rests so long is where the user wants it

const AIMS = {upper: 0.2, middle: 0.45}

export function LogLines({reader, view, opened, linked, announcement, empty, onOpen, onPick, onCopy, onChange}) {
  const box = useRef(null)
  const held = useRef({anchor: null, offset: 0, expected: -1, tall: 600, shape: "", target: null, rest: 0, restsAt: null})
  const [, redraw] = useReducer((n) => n + 1, 0)
  const {book, hits, follow} = reader
  const place = held.current
  const rows = rowsOf(book, opened)
  const shape = `${view.wrap}|${view.times}|${place.width}`
  if (shape !== place.shape) {
    place.shape = shape // lines wrap anew
    for (const row of rows) if (row.kind !== "gap") row.height = 0
  }
  const heights = new RowHeights(rows, GUESS)
  if (reader.target !== place.target) {
    place.target = reader.target
    place.anchor = reader.target?.line ?? null
    place.offset = -place.tall * (AIMS[reader.target?.place] ?? 0)
  }
  const most = Math.max(0, heights.total - place.tall)
  const stands = place.anchor !== null && rows[place.anchor.row] === place.anchor
  const wished = follow ? most : stands ? heights.top(place.anchor.row) + place.offset : (box.current?.scrollTop ?? 0)
  const top = Math.max(0, Math.min(most, wished))
  const first = heights.at(Math.max(0, top - SPARE))
  const last = Math.min(rows.length, heights.at(top + place.tall + SPARE) + 1)

  // The first line in sight: the one to keep in its place.
  const note = (scrolled) => {
    let row = heights.at(scrolled)
    const end = scrolled + place.tall
    while (row < rows.length && rows[row].kind !== "line" && heights.top(row) < end) row += 1
    const line = rows[row]
    const seen = line?.kind === "line" && heights.top(row) < end
    place.anchor = seen ? line : null
    place.offset = seen ? scrolled - heights.top(row) : 0
    if (seen) reader.near = line
  }

  useLayoutEffect(() => {
    const element = box.current
    let wrong = false
    for (const node of element.querySelectorAll("[data-row]")) {
      const row = rows[Number(node.dataset.row)]
      const {height} = node.getBoundingClientRect()
      if (row && Math.abs(row.height - height) > 0.5) {
        wrong = wrong || Math.abs((row.height || GUESS) - height) > 0.5
        row.height = height
      }
    }
    if (wrong) {
      redraw()
      return
    }
    if (Math.abs(element.scrollTop - top) > 1) element.scrollTop = top
    place.expected = element.scrollTop
    if (!follow && !stands) note(top)
    else if (!follow) reader.near = rows[heights.at(top)]?.kind === "line" ? rows[heights.at(top)] : place.anchor
    const gap = follow ? null : rows.slice(first, last + 1).find((row) => row.kind === "gap")
    const near = gap ?? rows.slice(heights.at(Math.max(0, top - AHEAD)), heights.at(top + place.tall + AHEAD) + 1).find((row) => row.kind === "gap")
    if (near && !reader.loading.has("gap")) load(near, top)
  })

  // What is missing is loaded from the side that is in sight; in the midst of a large gap, where the user stopped.
  const load = (gap, scrolled) => {
    const begin = heights.top(gap.row)
    const end = heights.top(gap.row + 1)
    if (gap.below && end <= scrolled + place.tall + AHEAD) reader.fill(gap, "below")
    else if (gap.above?.lines.length && begin >= scrolled - AHEAD) reader.fill(gap, "above")
    else if (!gap.below && end <= scrolled + place.tall + AHEAD) reader.fill(gap, "below")
    else if (place.restsAt !== scrolled) {
      place.restsAt = scrolled
      clearTimeout(place.rest)
      place.rest = setTimeout(() => {
        place.restsAt = null
        reader.fill(gap, (scrolled + place.tall / 2 - begin) / (end - begin))
      }, REST_MS)
    }
  }

  useLayoutEffect(() => {
    const element = box.current
    const watcher = new ResizeObserver(() => {
      if (paper.matches) return
      place.tall = element.clientHeight
      place.width = element.clientWidth
      redraw()
    })
    place.tall = element.clientHeight
    place.width = element.clientWidth
    watcher.observe(element)
    return () => {
      watcher.disconnect()
      clearTimeout(place.rest)
    }
  }, [])

  // Whoever scrolls up wants to read: stop jumping to the end. Whoever comes back to it wants to follow.
  const leave = () => {
    if (!reader.follow || box.current.scrollTop <= 0) return
    note(box.current.scrollTop)
    reader.follow = false
    onChange()
  }
  const scroll = () => {
    const element = box.current
    const {scrollTop} = element
    const down = scrollTop > place.expected
    if (Math.abs(scrollTop - place.expected) < 2) return
    place.expected = scrollTop
    if (reader.follow) return
    note(scrollTop)
    if (down && book.atEnd && scrollTop >= heights.total - place.tall - 2) {
      reader.follow = true
      reader.unseen = 0
      onChange()
    } else redraw()
  }
  const wheel = (event) => { if (event.deltaY < 0) leave() }
  const press = (event) => { if (event.target === box.current) leave() } // the scroll bar
  const key = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (["ArrowUp", "PageUp"].includes(event.key)) leave()
    else if (event.key === "Home" || event.key === "End") {
      event.preventDefault()
      event.stopPropagation()
      goTo(event.key === "Home" ? 0 : heights.total)
    } else if (event.key === "n" || event.key === "N") {
      if (hits) reader.step(event.key === "n" ? 1 : -1)
    }
  }
  const goTo = (scrolled) => {
    leave()
    place.anchor = null
    if (scrolled > 0) {
      reader.follow = true
      reader.toEnd()
    } else {
      box.current.scrollTop = 0
      note(0)
      redraw()
    }
  }
  // Several lines are copied whole and in one form, whatever of them is marked.
  const copy = (event) => {
    const selection = getSelection()
    const rowOf = (node) => (node instanceof Element ? node : node?.parentElement)?.closest("[data-seq]")
    const ends = [rowOf(selection.anchorNode), rowOf(selection.focusNode)]
    if (selection.isCollapsed || !ends[0] || !ends[1] || ends[0] === ends[1]) return
    const [from, to] = ends.map((node) => Number(node.dataset.row)).sort((a, b) => a - b)
    event.preventDefault()
    event.clipboardData.setData("text/plain", textOf(rows.slice(from, to + 1).filter((row) => row.kind === "line"), view))
  }

  const searched = hits?.text ?? ""
  const currentSeq = hits?.places[hits.current]?.seq
  const draw = (row, at) => {
    if (row.kind === "gap") {
      const copying = book.complete === false && !row.above && reader.inVain
      return html`<${Gap} key=${row.key} gap=${row} row=${at} loading=${reader.loading.has("gap")} copying=${copying} failure=${reader.failure} />`
    }
    if (row.kind !== "line") return html`<${Mark} key=${row.key} mark=${row} row=${at} />`
    const {seq} = row
    return html`<${Line} key=${row.key} line=${row} row=${at} number=${book.numberOf(seq)} linked=${linked !== null && seq >= linked[0] && seq <= linked[1]}
      current=${seq !== 0 && seq === currentSeq} searched=${searched} view=${view} opened=${opened} onOpen=${onOpen} onPick=${onPick} onCopy=${onCopy} />`
  }
  const drawn = rows.slice(first, last)
  return html`<div class="lines ${view.wrap ? "" : "unwrapped"} ${view.times ? "" : "untimed"}" ref=${box} role="log" aria-live="polite" aria-label=${t("log.box")} tabindex="0"
    onScroll=${scroll} onWheel=${wheel} onTouchMove=${leave} onKeyDown=${key} onPointerDown=${press} onCopy=${copy}>
    <p class="sr-only">${announcement}</p>
    ${rows.length
      ? html`<div class="rows" aria-live="off"><div class="line-space" style=${{height: `${heights.top(first)}px`}}></div>
          ${drawn.map((row, index) => draw(row, first + index))}
          <div class="line-space" style=${{height: `${Math.max(0, heights.total - heights.top(last))}px`}}></div></div>`
      : empty}
  </div>`
}
