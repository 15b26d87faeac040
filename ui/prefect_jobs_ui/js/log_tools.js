// What can be done with a log: find, choose how lines look, copy, download.
import {html} from "htm/preact"
import {useEffect, useRef, useState} from "preact/hooks"
import {Announced} from "./announced.js"
import {Icon} from "./drawing.js"
import {Popup} from "./log_popup.js"
import {chooseView} from "./log_view.js"
import {hitsText} from "./log_wording.js"
import {t} from "./texts.js"

const FORMATS = ["txt", "jsonl", "csv"]
const PAUSE_MS = 250 // between the last key and the question

export function Find({reader}) {
  const [text, setText] = useState("")
  const timer = useRef(0)
  const input = useRef(null)
  const {hits} = reader
  useEffect(() => () => clearTimeout(timer.current), [])
  useEffect(() => { if (!hits && !timer.current) setText("") }, [hits])
  const ask = (value, pause) => {
    clearTimeout(timer.current)
    setText(value)
    timer.current = setTimeout(() => { timer.current = 0; reader.search(value) }, pause)
  }
  const clear = () => { ask("", 0); input.current.focus() }
  const key = (event) => {
    if (event.key === "Enter") {
      event.preventDefault()
      if (text !== (hits?.text ?? "")) ask(text, 0)
      else reader.step(event.shiftKey ? -1 : 1)
    } else if (event.key === "Escape" && text) {
      event.preventDefault()
      event.stopPropagation()
      clear()
    }
  }
  return html`<div class="find" role="search" aria-label=${t("log.find")}>
    <${Icon} name="search" />
    <input ref=${input} type="text" value=${text} placeholder=${t("log.find")} aria-label=${t("log.find")} maxlength="500" spellcheck="false" autocomplete="off"
      onInput=${(event) => ask(event.target.value, PAUSE_MS)} onKeyDown=${key} />
    ${text && html`<button type="button" aria-label=${t("log.clear-find")} title=${t("log.clear-find")} onClick=${clear}><${Icon} name="close" /></button>`}
  </div>`
}

// What was found, and the ways through it.
export function Found({reader}) {
  const {hits, book} = reader
  if (!hits) return null
  const none = !hits.places.length
  const step = (by, label, keys, className) => html`<button type="button" class="button small icon-only" aria-label=${label} title=${`${label} (${keys})`} disabled=${none}
    onClick=${() => reader.step(by)}><${Icon} name="chevron" className=${className} /></button>`
  return html`<div class="found">
    <span class="found-hits" data-testid="find-hits">${hitsText(hits)}</span><${Announced} text=${hitsText(hits)} step=${`${hits.text} ${hits.current}`} />
    ${step(-1, t("log.previous"), "Shift+Enter", "up")}${step(1, t("log.next"), "Enter", "")}
    <button type="button" class="button small ${book.contains ? "on" : ""}" aria-label=${t("log.only")} aria-pressed=${String(Boolean(book.contains))} onClick=${() => reader.only(!book.contains)}>
      <${Icon} name="filter" /><span class="wide">${t("log.only")}</span></button>
  </div>`
}

export function Options({view}) {
  const check = (name, label) => html`<label class="option"><input type="checkbox" checked=${view[name]} onChange=${(event) => chooseView({[name]: event.target.checked})} />${label}</label>`
  const zone = (value, label) => html`<label class="option"><input type="radio" name="log-zone" checked=${view.zone === value} onChange=${() => chooseView({zone: value})} />${label}</label>`
  return html`<${Popup} icon="options" label=${t("log.options")}>${() => html`
    ${check("wrap", t("log.wrap"))}${check("times", t("log.times"))}
    <fieldset><legend>${t("log.zone")}</legend>${zone("local", t("log.local"))}${zone("utc", t("log.utc"))}</fieldset>`}<//>`
}

export function Download({reader}) {
  const {book, pages} = reader
  const filter = {level: book.level, contains: book.contains}
  const filtered = book.level !== "ALL" || book.contains
  const links = (heading, wanted, close) => html`<div role="group" aria-label=${heading}><h4>${heading}</h4>
    ${FORMATS.map((format) => html`<a key=${format} href=${pages.file({...wanted, format}).href} download onClick=${close}>
      <${Icon} name="download" />${t(`log.format.${format}`)}<span>.${format}</span></a>`)}</div>`
  return html`<${Popup} icon="download" label=${t("log.download")}>${(close) => html`
    ${links(t("log.whole"), {}, close)}${filtered && links(t("log.shown"), filter, close)}`}<//>`
}
