// The window that every dialog is drawn in: it keeps the focus, closes by Escape and by a click beside it, and lets
// nothing happen while it is busy.
import {html} from "htm/preact"
import {useLayoutEffect, useRef, useState} from "preact/hooks"
import {closeDialog} from "./overlay.js"

const FOCUSABLE = 'button:not(:disabled), a[href], input:not(:disabled), select:not(:disabled), textarea:not(:disabled), [tabindex="0"]'
const LEAVING_MS = 200

export function Dialog({titleId, textId, testid, className = "", busy = false, onClose = closeDialog, children}) {
  const box = useRef(null)
  const [leaving, setLeaving] = useState(false)
  const close = () => {
    if (busy || leaving) return
    setLeaving(true)
    setTimeout(onClose, matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : LEAVING_MS)
  }
  useLayoutEffect(() => {
    if (box.current.contains(document.activeElement)) return // what had the focus may have made room for something else
    const first = box.current.querySelector("[data-first-focus]") ?? box.current.querySelector(FOCUSABLE) ?? box.current
    first.focus()
  })
  const keys = (event) => {
    if (event.key === "Escape") {
      event.stopPropagation()
      event.preventDefault()
      close()
    } else if (event.key === "Tab") {
      const stops = [...box.current.querySelectorAll(FOCUSABLE)].filter((node) => node.offsetParent !== null)
      const [first, last] = [stops[0], stops.at(-1)]
      const here = document.activeElement
      if (!stops.length) event.preventDefault()
      else if (event.shiftKey && (here === first || here === box.current)) { event.preventDefault(); last.focus() }
      else if (!event.shiftKey && here === last) { event.preventDefault(); first.focus() }
    }
  }
  return html`<div class="backdrop ${leaving ? "leaving" : ""}" data-testid="dialog-backdrop" onClick=${(event) => { if (event.target === event.currentTarget) close() }}>
    <div class="dialog ${className}" role="dialog" aria-modal="true" aria-labelledby=${titleId} aria-describedby=${textId} aria-busy=${String(busy)} data-testid=${testid} ref=${box} tabindex="-1" onKeyDown=${keys}>
      ${typeof children === "function" ? children({close}) : children}
    </div>
  </div>`
}

export const Ring = () => html`<span class="ring small" data-testid="loading-spinner" aria-hidden="true"></span>`
