// Draws what lies over the page: a dialog, the commands, the help. And the short words that say what was done, which go
// away by themselves.
import {html} from "htm/preact"
import {useEffect} from "preact/hooks"
import {BulkDialog} from "./bulk_dialog.js"
import {ConfirmDialog} from "./confirm_dialog.js"
import {Icon} from "./drawing.js"
import {ErrorDialog} from "./error_dialog.js"
import {HelpDialog} from "./help_dialog.js"
import {overlay} from "./overlay.js"
import {Palette} from "./palette.js"
import {StartDialog} from "./start_dialog.js"
import {useStore} from "./store.js"

const DIALOGS = {
  confirm: ConfirmDialog, bulk: BulkDialog, error: ErrorDialog, start: StartDialog, palette: Palette, help: HelpDialog,
}
const WORD_MS = 5000

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
