// The log viewer of one job: its lines, whether they arrive live, and what to see of them.
import {html} from "htm/preact"
import {useEffect, useReducer, useRef, useState} from "preact/hooks"
import {ConnectionIndicator} from "./connection_indicator.js"
import {Icon} from "./drawing.js"
import {LevelMenu} from "./level_menu.js"
import {LogBook} from "./log_book.js"
import {LogLines} from "./log_lines.js"
import {LogSource} from "./log_source.js"
import {count, number} from "./wording.js"

export const countText = (shown, all) => {
  if (!all) return ""
  return shown === all ? count(all, "log") : `${number(shown)} of ${count(all, "log")}`
}

// Drawn anew for each job (by its key), so no line of one job can show under another.
export function JobLogs({jobId, live}) {
  const book = useRef(null)
  const source = useRef(null)
  book.current ??= new LogBook()
  const [, redraw] = useReducer((n) => n + 1, 0)
  const [connection, setConnection] = useState({state: live ? "connecting" : "disconnected", attempt: 0})
  const [loading, setLoading] = useState(false)
  const [follow, setFollow] = useState(true)

  useEffect(() => {
    let frame = 0 // a burst of 5,000 lines is drawn once per frame, not once per line
    const onLines = (lines) => {
      if (book.current.add(lines) && !frame) frame = requestAnimationFrame(() => { frame = 0; redraw() })
    }
    const after = () => book.current.lastSeq
    source.current = new LogSource(jobId, {after, onLines, onConnection: setConnection, onLoading: setLoading})
    return () => {
      source.current.close()
      cancelAnimationFrame(frame)
    }
  }, [jobId])
  useEffect(() => source.current.setLive(live), [jobId, live])

  const {level, lines, shown} = book.current
  const change = (act) => () => { act(); redraw() }
  const empty = lines.length
    ? html`<p>No logs matching filter "${level}"</p>`
    : loading || connection.state === "connecting" ? html`<p>Loading logs...</p>`
    : html`<p>No logs available yet</p>${live && html`<p>Waiting for log entries...</p>`}`
  return html`<section class="panel logs" data-testid="job-logs-viewer" aria-labelledby="logs-title">
    <div class="logs-bar">
      <h3 id="logs-title"><${Icon} name="document" />Job Logs</h3>
      <${ConnectionIndicator} connection=${connection} onRetry=${() => source.current.retry()} />
      <span class="logs-count" data-testid="logs-count">${countText(shown.length, lines.length)}</span>
      <span class="logs-tools">
        <${LevelMenu} level=${level} onChoose=${(chosen) => change(() => book.current.setLevel(chosen))()} />
        <button type="button" class="button small ${follow ? "on" : ""}" aria-label="Toggle auto-scroll" aria-pressed=${String(follow)} onClick=${() => setFollow(!follow)}>
          <${Icon} name="refresh" className=${follow && live ? "spin slow" : ""} /><span class="wide">Auto-scroll</span></button>
        <button type="button" class="button small" aria-label="Clear logs" disabled=${!lines.length} onClick=${change(() => book.current.clear())}>
          <${Icon} name="trash" /><span class="wide">Clear</span></button>
      </span>
    </div>
    <${LogLines} book=${book.current} follow=${follow} onLeave=${() => setFollow(false)} empty=${empty} />
  </section>`
}
