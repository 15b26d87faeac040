// What lies over the page, one thing at a time: a dialog, the commands, the help. And the short words that say what was
// done, which go away by themselves.
import {html} from "htm/preact"
import {useEffect} from "preact/hooks"
import {BulkDialog} from "./bulk_dialog.js"
import {ConfirmDialog} from "./confirm_dialog.js"
import {Icon} from "./drawing.js"
import {ErrorDialog} from "./error_dialog.js"
import {HelpDialog} from "./help_dialog.js"
import {Palette} from "./palette.js"
import {StartDialog} from "./start_dialog.js"
import {createStore, useStore} from "./store.js"

const DIALOGS = {
  confirm: ConfirmDialog, bulk: BulkDialog, error: ErrorDialog, start: StartDialog, palette: Palette, help: HelpDialog,
}
const WORD_MS = 5000

export const overlay = createStore({name: null, props: {}, word: null})

// Opens a dialog by its name; the focus returns to where it was when it closes.
export function openDialog(name, props = {}) {
  if (overlay.get().name === null) overlay.returnTo = document.activeElement
  overlay.set({name, props})
}

export function closeDialog() {
  overlay.set({name: null, props: {}})
  document.getElementById("jobs-page").inert = false // before the focus can return into it
  overlay.returnTo?.isConnected && overlay.returnTo.focus({preventScroll: true})
}

// Says a short word about what was just done, or what could not be.
export const say = (text, tone = "good") => overlay.set({word: {text, tone}})

function Word({word}) {
  useEffect(() => {
    if (!word) return undefined
    const timer = setTimeout(() => overlay.set({word: null}), WORD_MS)
    return () => clearTimeout(timer)
  }, [word])
  return html`<div class="toasts" role="status" aria-live="polite">
    ${word && html`<p class="toast ${word.tone}" data-testid="word"><${Icon} name=${word.tone === "good" ? "check" : "alert"} />${word.text}</p>`}
  </div>`
}

export function Overlay({model}) {
  const {name, props, word} = useStore(overlay)
  useEffect(() => {
    const page = document.getElementById("jobs-page")
    page.inert = name !== null
    return () => { page.inert = false }
  }, [name])
  // Back closes what is open: the view behind it has changed.
  useEffect(() => {
    const close = () => { if (overlay.get().name) overlay.set({name: null, props: {}}) }
    addEventListener("popstate", close)
    return () => removeEventListener("popstate", close)
  }, [])
  const Dialog = DIALOGS[name]
  return html`${Dialog && html`<${Dialog} key=${name} ...${props} model=${model} />`}<${Word} word=${word} />`
}
