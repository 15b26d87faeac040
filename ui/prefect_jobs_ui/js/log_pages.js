// A job's stored log over HTTP: pages of lines in a reader's order, and the addresses of its files.
import {linesOf} from "./log_line.js"
import {awayText, within} from "./patience.js"
import {t} from "./texts.js"

export const PAGE = 400
const HITS = 1000

export class LogAway extends Error {}

export class LogPages {
  constructor(jobId) {
    this.jobId = jobId
    this.left = new AbortController()
  }

  close() {
    this.left.abort()
  }

  address(path, query) {
    const url = new URL(`api/jobs/${encodeURIComponent(this.jobId)}/${path}`, document.baseURI)
    for (const [name, value] of Object.entries(query)) if (value !== "" && value !== null) url.searchParams.set(name, value)
    return url
  }

  // One answer, its lines in the order they are read. Throws LogAway when there is none.
  async ask(query, {level = "ALL", contains = ""} = {}) {
    const asked = {...query, contains, level: level === "ALL" ? null : level}
    let answer
    try {
      answer = await fetch(this.address("logs", asked), {signal: within(this.left.signal)})
      if (!answer.ok) throw new LogAway(t("api.answered", {status: String(answer.status)}))
      answer = await answer.json()
    } catch (error) {
      throw error instanceof LogAway || this.left.signal.aborted ? error : new LogAway(awayText(error))
    }
    const lines = linesOf(answer.logs)
    return {...answer, lines: query.order === "desc" ? lines.reverse() : lines}
  }

  newest(wanted, {after = null, limit = PAGE} = {}) {
    return this.ask({order: "desc", limit, after}, wanted)
  }

  // The lines in front of the one with this number.
  before(seq, wanted, {after = null, limit = PAGE} = {}) {
    return this.ask({order: "desc", before: seq, limit, after}, wanted)
  }

  // The lines at and behind this time.
  since(timestamp, wanted, {limit = PAGE} = {}) {
    return this.ask({since: timestamp, limit}, wanted)
  }

  // The lines that were stored behind this number.
  stored(after, limit = 2000) {
    return this.ask({after, limit})
  }

  hits(text, level, before) {
    return this.ask({order: "desc", limit: HITS, before}, {level, contains: text})
  }

  file({format, level = "ALL", contains = ""}) {
    return this.address("logs/download", {format, contains, level: level === "ALL" ? null : level})
  }
}
