// The minimum severity of the lines shown, as a listbox behind a button: arrows, Home, End, Enter, Space and Escape work.
import {html} from "htm/preact"
import {useEffect, useLayoutEffect, useRef, useState} from "preact/hooks"
import {Icon} from "./drawing.js"
import {LEVELS} from "./log_line.js"
import {number} from "./numbers.js"
import {t} from "./texts.js"

const ENTRIES = ["ALL", ...LEVELS]
const labelOf = (level) => t(`log.level.${level}`)

// `countOf(level)` is how many lines are of a level; it is shown beside the entries, whose names stay what they are.
export function LevelMenu({level, countOf, onChoose}) {
  const [open, setOpen] = useState(false)
  const [active, setActive] = useState(0)
  const root = useRef(null)
  const button = useRef(null)
  const list = useRef(null)
  const show = () => {
    setActive(ENTRIES.indexOf(level))
    setOpen(true)
  }
  const close = () => {
    setOpen(false)
    button.current.focus()
  }
  const choose = (index) => {
    onChoose(ENTRIES[index])
    close()
  }
  useEffect(() => {
    if (!open) return undefined
    const outside = (event) => { if (!root.current.contains(event.target)) setOpen(false) }
    document.addEventListener("pointerdown", outside)
    return () => document.removeEventListener("pointerdown", outside)
  }, [open])
  useLayoutEffect(() => { if (open) list.current.focus() }, [open])
  const keys = (event) => {
    if (!open) {
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return
      event.preventDefault()
      show()
      return
    }
    const moves = {ArrowDown: Math.min(active + 1, ENTRIES.length - 1), ArrowUp: Math.max(active - 1, 0), Home: 0, End: ENTRIES.length - 1}
    if (Object.hasOwn(moves, event.key)) setActive(moves[event.key])
    else if (event.key === "Enter" || event.key === " ") choose(active)
    else if (event.key === "Escape") close()
    else if (event.key === "Tab") setOpen(false)
    else return
    if (event.key !== "Tab") event.preventDefault()
  }
  // On the whole menu: a key may come before the focus has moved from the button to the list.
  return html`<div class="menu" ref=${root} onKeyDown=${keys}>
    <button type="button" class="button small" ref=${button} aria-label=${t("log.level.filter")} aria-haspopup="listbox" aria-expanded=${String(open)}
      onClick=${() => (open ? close() : show())}>${labelOf(level)}<${Icon} name="chevron" /></button>
    ${open && html`<ul class="menu-list" role="listbox" aria-label=${t("log.level")} tabindex="-1" ref=${list} aria-activedescendant="level-${ENTRIES[active]}">
      ${ENTRIES.map((value, index) => html`<li key=${value} id="level-${value}" role="option" aria-selected=${String(value === level)}
        class=${index === active ? "active" : ""} onClick=${() => choose(index)} onPointerEnter=${() => setActive(index)}
        aria-description=${value === "ALL" ? null : t("log.lines", {n: countOf(value)})} data-count=${value === "ALL" ? null : number(countOf(value))}>
        ${labelOf(value)}${value === level && html`<${Icon} name="check" />`}</li>`)}
    </ul>`}
  </div>`
}
