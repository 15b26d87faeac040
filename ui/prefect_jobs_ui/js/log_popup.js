// A button that opens a small panel under it. Escape, a press outside and leaving it with Tab close it.
import {html} from "htm/preact"
import {useEffect, useLayoutEffect, useRef, useState} from "preact/hooks"
import {Icon} from "./drawing.js"

export function Popup({icon, label, title = label, children}) {
  const [open, setOpen] = useState(false)
  const root = useRef(null)
  const button = useRef(null)
  useEffect(() => {
    if (!open) return undefined
    const outside = (event) => { if (!root.current.contains(event.target)) setOpen(false) }
    document.addEventListener("pointerdown", outside)
    return () => document.removeEventListener("pointerdown", outside)
  }, [open])
  useLayoutEffect(() => { if (open) root.current.querySelector(".popup input, .popup a")?.focus() }, [open])
  const key = (event) => {
    if (!open || event.key !== "Escape") return
    event.preventDefault()
    event.stopPropagation()
    setOpen(false)
    button.current.focus()
  }
  const left = (event) => { if (event.relatedTarget && !root.current.contains(event.relatedTarget)) setOpen(false) }
  return html`<div class="menu" ref=${root} onKeyDown=${key} onFocusOut=${left}>
    <button type="button" class="button small icon-only" ref=${button} aria-label=${label} title=${title} aria-expanded=${String(open)} onClick=${() => setOpen(!open)}><${Icon} name=${icon} /></button>
    ${open && html`<div class="menu-list popup" role="group" aria-label=${label}>${children(() => setOpen(false))}</div>`}
  </div>`
}
