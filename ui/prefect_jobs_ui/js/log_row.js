// One row of the log box: a line, a gap, a mark. Whatever a message holds, it becomes text and nothing else.
import {html} from "htm/preact"
import {Component} from "preact"
import {Icon} from "./drawing.js"
import {cut, folded, folds, marked, pieces} from "./log_text.js"
import {clockIn, stampIn} from "./log_view.js"
import {gapText, markText} from "./log_wording.js"
import {t} from "./texts.js"

const COLOURS = {DEBUG: "text-gray-400", INFO: "text-blue-400", WARNING: "text-yellow-400", ERROR: "text-red-400"}

const Text = ({message, searched}) => marked(pieces(message), searched).map(({text, classes, hit}, at) => {
  if (hit) return html`<mark key=${at} class=${classes}>${text}</mark>`
  return classes ? html`<span key=${at} class=${classes}>${text}</span>` : text
})

function Message({line, opened, searched, current, onOpen}) {
  const {message} = line
  const open = opened.has(line.key) || (current && searched)
  const toggle = (label) => html`<button type="button" class="line-more" aria-expanded=${String(Boolean(open))} onClick=${() => onOpen(line.key)}>
    <${Icon} name="chevron" />${label}</button>`
  if (folds(message)) {
    if (open) return html`<${Text} message=${cut(message)} searched=${searched} /><br />${toggle(t("log.fold"))}`
    const {head, hidden, tail} = folded(message)
    return html`<${Text} message=${cut(head)} searched=${searched} /><br />${toggle(t("log.more", {n: hidden}))}${tail && html`<br /><${Text} message=${cut(tail)} searched=${searched} />`}`
  }
  const short = open ? message : cut(message)
  return html`<${Text} message=${short} searched=${searched} />${short !== message && toggle(t("log.whole-message", {length: message.length}))}`
}

// Drawn again only if something of it has changed: at a thousand lines a second the others would cost every frame.
export class Line extends Component {
  shouldComponentUpdate(next) {
    return Object.keys(next).some((name) => next[name] !== this.props[name]) || next.line.replaced !== this.drawn
  }

  render({line, row, number, linked, current, searched, view, opened, onOpen, onPick, onCopy}) {
    this.drawn = line.replaced
    const at = Math.floor(line.at)
    const classes = `line ${line.level === "ERROR" ? "is-error" : ""} ${linked ? "linked" : ""} ${current ? "current" : ""}`
    const pick = (event) => { event.preventDefault(); onPick(line, event.shiftKey) }
    return html`<div class=${classes} data-row=${row} data-seq=${line.seq}>
      ${line.seq ? html`<a class="line-number" href="#L${line.seq}" tabindex="-1" aria-label=${t("log.line", {line: String(number ?? line.seq)})} onClick=${pick}>${number ?? "\u00b7"}</a>` : html`<span class="line-number"></span>`}
      ${view.times && html`<time class="line-time" datetime=${line.timestamp} title=${stampIn(view.zone)(at)}>${clockIn(view.zone)(at)}</time>`}
      <span class="line-level ${COLOURS[line.level] ?? ""}">${line.level}</span>
      <span class="line-message"><${Message} line=${line} opened=${opened} searched=${searched} current=${current} onOpen=${onOpen} /></span>
      ${line.replaced > 0 && html`<button type="button" class="line-more line-replaced" aria-expanded=${String(opened.has(line.group))} onClick=${() => onOpen(line.group)}>
        <${Icon} name="chevron" />${t("log.replaced", {n: line.replaced})}</button>`}
      <button type="button" class="line-copy" tabindex="-1" aria-label=${t("log.copy-line")} title=${t("log.copy-line")} onClick=${() => onCopy([line])}><${Icon} name="copy" /></button>
    </div>`
  }
}

export const Gap = ({gap, row, loading, copying, failure}) => html`<div class="line-gap ${loading ? "loading" : ""}" data-gap=${row} style=${{height: `${gap.height}px`}}>
  <span>${gapText(gap, {loading, copying, failure})}</span></div>`

export const Mark = ({mark, row}) => html`<div class="line-mark ${mark.kind === "attempt" ? "new-attempt" : mark.filled || mark.cause === "copied" ? "filled" : "open"}" data-row=${row}>
  <span>${mark.kind === "attempt" ? t("log.attempt", {attempt: String(mark.attempt)}) : markText(mark)}</span></div>`
