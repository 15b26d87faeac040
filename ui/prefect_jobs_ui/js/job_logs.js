// The log viewer of one job: its lines, whether they arrive live, what to see of them, and what to do with them.
import {html} from "htm/preact"
import {useEffect, useReducer, useRef, useState} from "preact/hooks"
import {ConnectionIndicator} from "./connection_indicator.js"
import {Icon} from "./drawing.js"
import {LevelMenu} from "./level_menu.js"
import {TooLong, read, textOf, write} from "./log_copying.js"
import {LogLines} from "./log_lines.js"
import {LogReader} from "./log_reader.js"
import {Download, Find, Found, Options} from "./log_tools.js"
import {logView} from "./log_view.js"
import {completeness, countText} from "./log_wording.js"
import {shownJob} from "./shown_job.js"
import {useStore} from "./store.js"
import {t} from "./texts.js"

const TELL_EVERY_MS = 4000 // a live region that says every line could not be listened to
const SAY_MS = 3000

// `#L1234` or `#L10-L20`: the lines that a link points to, by the API's numbers.
export function linkedLines(hash) {
  const found = /^#L(\d{1,10})(?:-L(\d{1,10}))?$/.exec(hash)
  if (!found) return null
  const ends = [Number(found[1]), Number(found[2] ?? found[1])]
  return [Math.min(...ends), Math.max(...ends)]
}

// Drawn anew for each job (by its key), so no line of one job can show under another.
export function JobLogs({jobId, live, failed = false, endedAt = null}) {
  const view = useStore(logView)
  const [, redraw] = useReducer((n) => n + 1, 0)
  const held = useRef(null)
  const [opened, setOpened] = useState(() => new Set())
  const [linked, setLinked] = useState(() => linkedLines(location.hash))
  const [said, setSaid] = useState("")
  const [large, setLarge] = useState(false)
  const announcement = useAnnouncement(held)
  held.current ??= new LogReader(jobId, {onChange: frames(redraw)})
  const reader = held.current
  const {book, connection} = reader

  useEffect(() => {
    reader.open({live, failed, seq: linked?.[0] ?? null, endedAt: Date.parse(endedAt ?? "") || 0})
    const jump = () => {
      const lines = linkedLines(location.hash)
      setLinked(lines)
      if (lines) reader.toNumber(lines[0])
    }
    addEventListener("hashchange", jump)
    return () => {
      removeEventListener("hashchange", jump)
      reader.close()
    }
  }, [])
  useEffect(() => reader.setLive(live), [live])
  useEffect(() => {
    if (!said) return undefined
    const timer = setTimeout(() => setSaid(""), SAY_MS)
    return () => clearTimeout(timer)
  }, [said])

  const pick = (line, extends_) => {
    const from = extends_ && linked ? linked[0] : line.seq
    const lines = [Math.min(from, line.seq), Math.max(from, line.seq)]
    history.replaceState(history.state, "", lines[0] === lines[1] ? `#L${lines[0]}` : `#L${lines[0]}-L${lines[1]}`)
    setLinked(lines)
    reader.follow = false
    redraw()
  }
  const copy = async (lines) => {
    try {
      await write(textOf(lines, view))
      setSaid(t("log.copied", {n: lines.length}))
    } catch { setSaid(t("log.copy-failed")) }
  }
  const copyAll = async () => {
    const chosen = linked ? book.lines.filter(({seq}) => seq >= linked[0] && seq <= linked[1]) : []
    if (chosen.length) {
      await copy(chosen)
      return
    }
    if (book.gaps().length === 0) {
      await copy(book.lines)
      return
    }
    try {
      const shown = book.matching
      await write(await read(reader.pages.file({format: "txt", ...reader.wanted})))
      setSaid(t("log.copied", {n: shown}))
    } catch (error) { setSaid(error instanceof TooLong ? t("log.too-long") : t("log.copy-failed")) }
  }
  const follow = () => {
    reader.follow = !reader.follow
    if (reader.follow) reader.toEnd()
    redraw()
  }
  const choose = (level) => { if (level !== book.level) reader.filter({level}) }

  const act = useActions({
    open: (key) => setOpened((before) => {
      const after = new Set(before)
      if (!after.delete(key)) after.add(key)
      return after
    }),
    pick,
    copy,
    change: redraw,
    copyAll,
    follow,
    clear: () => {
      reader.clear()
      setOpened(new Set())
    },
    enlarge: () => setLarge(!large),
    shrink: () => {
      if (large) setLarge(false)
      return large
    },
  })
  useEffect(() => {
    shownJob.set({log: act})
    return () => shownJob.set({log: null})
  }, [])
  const keys = (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "f" && event.target.closest(".lines")) {
      event.preventDefault()
      event.currentTarget.querySelector(".find input").focus()
    } else if (event.key === "Escape" && large && !event.defaultPrevented) {
      event.stopPropagation()
      act.shrink()
    }
  }

  const connected = connection.state === "connected"
  const status = completeness(book, {live, connected})
  const nothing = !book.all && !book.matching
  return html`<section class="panel logs ${large ? "large" : ""}" data-testid="job-logs-viewer" aria-labelledby="logs-title" onKeyDown=${keys}>
    <div class="logs-bar">
      <h3 id="logs-title"><${Icon} name="document" />${t("log.title")}</h3>
      <${ConnectionIndicator} connection=${connection} onRetry=${() => reader.retry()} />
      <span class="logs-count" data-testid="logs-count">${countText(book.matching, book.all, book.level !== "ALL" || book.contains)}</span>
      <div class="logs-controls"><${Find} reader=${reader} /><span class="logs-tools">
        <${LevelMenu} level=${book.level} countOf=${(level) => book.count(level)} onChoose=${choose} />
        <button type="button" class="button small ${reader.follow ? "on" : ""}" aria-label=${t("log.follow.name")} title=${t("log.follow.name")} aria-pressed=${String(reader.follow)} onClick=${follow}>
          <${Icon} name="refresh" className=${reader.follow && live ? "spin slow" : ""} /><span class="wide">${t("log.follow")}</span></button>
        <${Options} view=${view} />
        <button type="button" class="button small icon-only" aria-label=${t("log.copy")} title=${t("log.copy")} disabled=${nothing} onClick=${copyAll}><${Icon} name="copy" /></button>
        <${Download} reader=${reader} />
        <button type="button" class="button small icon-only" aria-label=${large ? t("log.shrink") : t("log.expand")} title=${large ? t("log.shrink") : t("log.expand")} aria-pressed=${String(large)} onClick=${act.enlarge}><${Icon} name=${large ? "shrink" : "expand"} /></button>
        <button type="button" class="button small" aria-label=${t("log.clear.name")} title=${t("log.clear.name")} disabled=${nothing} onClick=${act.clear}>
          <${Icon} name="trash" /><span class="wide">${t("log.clear")}</span></button>
      </span></div>
    </div>
    <${Found} reader=${reader} />
    <div class="lines-frame">
      <${LogLines} reader=${reader} view=${view} opened=${opened} linked=${linked} announcement=${announcement} empty=${html`<${Empty} reader=${reader} live=${live} />`}
        onOpen=${act.open} onPick=${act.pick} onCopy=${act.copy} onChange=${act.change} />
      ${reader.unseen > 0 && html`<button type="button" class="button small to-end" onClick=${follow}><${Icon} name="chevron" />${t("log.to-end", {n: reader.unseen})}</button>`}
    </div>
    <div class="logs-foot">
      <span class="completeness ${status.good ? "good" : ""}" data-testid="logs-completeness">
        ${status.text && html`${status.good && html`<${Icon} name="check" />`}<span>${status.text}</span><span class="state-word">${status.word}</span>`}</span>
      <span class="said" role="status">${said || (reader.missing ? t("log.missing", {line: String(reader.missing)}) : "")}</span>
    </div>
  </section>`
}

function Empty({reader, live}) {
  const {book, connection, phase, hits} = reader
  let text
  if (phase === "failed") {
    text = html`<p>${t("log.failed")} ${reader.failure}</p><button type="button" class="button small" onClick=${() => reader.retry()}>${t("log.retry")}</button>`
  } else if (phase === "loading" || connection.state === "connecting") text = html`<p>${t("log.loading")}</p>`
  else if (book.contains) text = html`<p>${t("log.no-hits-of", {text: hits?.text ?? book.contains})}</p>`
  else if (book.all && book.level !== "ALL") text = html`<p>${t("log.filtered", {level: book.level})}</p>`
  else {
    text = html`<p>${t("log.none")}</p>${live && html`<p>${t("log.waiting")}</p>`}
      ${book.cleared && html`<button type="button" class="button small" onClick=${() => reader.restore()}>${t("log.restore")}</button>`}`
  }
  return html`<div class="no-lines"><${Icon} name="document" />${text}</div>`
}

// What a row can do, always the same functions: a row that is given new ones would be drawn again.
function useActions(actions) {
  const now = useRef(actions)
  now.current = actions
  return useState(() => Object.fromEntries(Object.keys(actions).map((name) => [name, (...given) => now.current[name](...given)])))[0]
}

// A burst of 5,000 lines is drawn once per frame, not once per line.
function frames(draw) {
  let frame = 0
  return () => { frame ||= requestAnimationFrame(() => { frame = 0; draw() }) }
}

// How many lines have come, now and then, for whoever listens.
function useAnnouncement(held) {
  const [text, setText] = useState("")
  const told = useRef(null)
  useEffect(() => {
    const timer = setInterval(() => {
      const {book, connection} = held.current
      const known = told.current ?? book.total
      told.current = book.total
      setText(connection.state === "connected" && book.total > known ? t("log.new-lines", {n: book.total - known}) : "")
    }, TELL_EVERY_MS)
    return () => clearInterval(timer)
  }, [])
  return text
}
