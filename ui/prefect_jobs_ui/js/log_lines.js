// The box of lines. Only the rows in sight are in the document, whatever their number; heights are measured as drawn.
import {html} from "htm/preact"
import {useLayoutEffect, useReducer, useRef} from "preact/hooks"
import {Icon} from "./drawing.js"
import {RowHeights} from "./row_heights.js"
import {clock} from "./wording.js"

const GUESS = 21 // one line of text, in pixels
const SPARE = 300 // pixels drawn above and below the box

const LEVEL_COLOURS = {DEBUG: "text-gray-400", INFO: "text-blue-400", WARNING: "text-yellow-400", ERROR: "text-red-400"}

const Line = ({line, row}) => html`<div class="line" data-row=${row} data-seq=${line.seq}>
  <span class="line-number" aria-hidden="true">${line.seq || ""}</span>
  <time class="line-time" datetime=${line.timestamp}>${clock(line.timestamp)}</time>
  <span class="line-level ${LEVEL_COLOURS[line.level] ?? ""}">${line.level}</span>
  <span class="line-message">${line.message}</span>
</div>`

export function LogLines({book, follow, onLeave, empty}) {
  const box = useRef(null)
  const heights = useRef({generation: -1, rows: null})
  const [, redraw] = useReducer((n) => n + 1, 0)
  const kept = heights.current
  if (kept.generation !== book.generation || kept.rows.heights.length > book.shown.length) {
    heights.current = {generation: book.generation, rows: new RowHeights(GUESS)}
  }
  const {rows} = heights.current
  rows.grow(book.shown.length)

  const tall = box.current?.clientHeight ?? 600
  const top = follow ? Math.max(0, rows.total - tall) : (box.current?.scrollTop ?? 0)
  const first = rows.at(Math.max(0, top - SPARE))
  const last = Math.min(book.shown.length, rows.at(top + tall + SPARE) + 1)

  useLayoutEffect(() => {
    const element = box.current
    let above = 0
    let wrong = 0
    for (const node of element.querySelectorAll("[data-row]")) {
      const row = Number(node.dataset.row)
      const error = rows.measured(row, node.getBoundingClientRect().height)
      wrong += Math.abs(error)
      if (row < first + 1) above += error
    }
    if (follow) element.scrollTop = element.scrollHeight
    else if (above) element.scrollTop += above // keep what is being read in its place
    if (wrong) redraw()
  })

  useLayoutEffect(() => {
    let width = box.current.clientWidth
    const watcher = new ResizeObserver(() => {
      if (box.current.clientWidth !== width) heights.current.generation = -1 // lines wrap anew
      width = box.current.clientWidth
      redraw()
    })
    watcher.observe(box.current)
    return () => watcher.disconnect()
  }, [])

  // Whoever scrolls up wants to read: stop jumping to the end.
  const wheel = (event) => { if (event.deltaY < 0) onLeave() }
  const key = (event) => { if (["ArrowUp", "PageUp", "Home"].includes(event.key)) onLeave() }
  const press = (event) => { if (event.target === box.current) onLeave() } // the scroll bar
  return html`<div class="lines" ref=${box} role="log" aria-live="polite" aria-label="Job log output" tabindex="0"
    onScroll=${() => { if (!follow) redraw() }} onWheel=${wheel} onTouchMove=${onLeave} onKeyDown=${key} onPointerDown=${press}>
    ${book.shown.length
      ? html`<div style=${{height: `${rows.top(first)}px`}}></div>
          ${book.shown.slice(first, last).map((line, index) => html`<${Line} key=${line.key} line=${line} row=${first + index} />`)}
          <div style=${{height: `${Math.max(0, rows.total - rows.top(last))}px`}}></div>`
      : html`<div class="no-lines"><${Icon} name="document" />${empty}</div>`}
  </div>`
}
