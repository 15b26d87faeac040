import {html} from "htm/preact"
import {Dialog} from "./dialog.js"
import {t} from "./texts.js"

const KEYS = [
  [["j"], "next"], [["k"], "previous"], [["Enter"], "open"], [["/"], "search"], [["x"], "pick"], [["Shift", "click"], "range"],
  [["r"], "refresh"], [["Ctrl", "K"], "palette"], [["Esc"], "back"], [["?"], "this"],
]

export function HelpDialog() {
  return html`<${Dialog} titleId="help-title" testid="help-dialog">${({close}) => html`
    <h2 id="help-title">${t("help.title")}</h2>
    <dl class="keys">${KEYS.map(([keys, what]) => html`<div key=${what}><dt>${keys.map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${t(`help.${what}`)}</dd></div>`)}</dl>
    <div class="dialog-buttons"><button type="button" class="button" data-first-focus onClick=${close}>${t("close")}</button></div>`}<//>`
}
