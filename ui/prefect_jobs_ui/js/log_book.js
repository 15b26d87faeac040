// What one tab holds of a job's log. A log may have a million lines, so it holds stretches of it: each stretch knows from
// where to where nothing is missing, and what lies between two of them is a gap that can be filled. Pure: no clock, no
// network, no drawing.
import {END, LEVELS, START, order, passes} from "./log_line.js"

// Lines of a tail that was stored before the older ones begin at a multiple of this (contract 16.5: a number never
// changes, so room is left for what is missing).
const REGION = 100_000_000

const RECENT = 2000

const region = (seq) => Math.floor(seq / REGION)
const none = () => Object.fromEntries(LEVELS.map((level) => [level, 0]))

export class LogBook {
  constructor() {
    this.level = "ALL"
    this.contains = ""
    this.lastSeq = 0 // everything up to this number was told: where a lost connection goes on
    this.total = 0 // lines of the whole log that this tab was told of
    this.promised = 0 // lines that the API says there are
    this.byLevel = none()
    this.complete = null // whether the API holds every line of Prefect's; null while unknown
    this.found = null // how many lines hold the text that is filtered by, as far as known
    this.cleared = null // what had been told when the view was cleared
    this.marks = [] // where the connection or the record had a gap
    this.shifts = new Map() // by how much the numbers of a region exceed the lines' places
    this.recent = [] // the last lines heard: an answer may be older than they are
    this.stretches = []
  }

  // -- what to see ----------------------------------------------------------------------------------------------------

  // Other lines are wanted: all that is held is forgotten, except what is known of the whole.
  want({level = this.level, contains = this.contains}) {
    this.level = level
    this.contains = contains
    this.found = null
    this.stretches = []
  }

  clear() {
    this.cleared = {seq: this.lastSeq, total: this.total, byLevel: {...this.byLevel}}
    this.contains = ""
    this.found = null
    this.marks = []
    this.recent = []
    this.stretches = [{from: START, to: END, lines: []}]
  }

  restore() {
    this.cleared = null
    this.stretches = []
  }

  get shows() {
    return (line) => passes(line, this.level) && (!this.contains || holds(line, this.contains))
  }

  get held() {
    return this.stretches.reduce((sum, stretch) => sum + stretch.lines.length, 0)
  }

  get lines() {
    return this.stretches.length === 1 ? this.stretches[0].lines : this.stretches.flatMap((stretch) => stretch.lines)
  }

  // The counts: of all lines since the view was cleared, of each level, and of those that the filter lets through.
  get all() {
    return Math.max(0, Math.max(this.total, this.promised) - (this.cleared?.total ?? 0))
  }

  count(level) {
    return Math.max(0, this.byLevel[level] - (this.cleared?.byLevel[level] ?? 0))
  }

  get matching() {
    if (this.contains) return Math.max(this.found ?? 0, this.held)
    if (this.level === "ALL") return this.all
    return LEVELS.slice(LEVELS.indexOf(this.level)).reduce((sum, level) => sum + this.count(level), 0)
  }

  // -- what comes in --------------------------------------------------------------------------------------------------

  // What an answer says of the whole log.
  learn({total_lines, by_level, complete}) {
    if (!Number.isInteger(total_lines)) return
    this.total = this.promised = total_lines
    this.complete = Boolean(complete)
    this.byLevel = {...none(), ...by_level}
    this.learnShift()
  }

  // A position on the socket: how many lines there are. Answers by how many this tab was told of fewer, or more.
  promise(total) {
    this.promised = total
    return total - this.total
  }

  // The newest lines, unfiltered, tell how far the numbers of a region are ahead of the lines' places.
  learnShift() {
    const last = this.stretches.at(-1)
    const line = last?.lines.at(-1)
    if (this.complete && line && last.to === END && this.level === "ALL" && !this.contains && region(line.seq)) {
      this.shifts.set(region(line.seq), line.seq - this.total)
    }
  }

  // A run of lines in order that came from the store. Nothing is missing between them, nor from `from`, nor up to `to`.
  cover(lines, from, to) {
    let run = {from, to, lines: lines.filter((line) => line.seq > (this.cleared?.seq ?? -1))}
    const apart = []
    for (const stretch of this.stretches) {
      if (order(stretch.to, run.from) < 0 || order(stretch.from, run.to) > 0) apart.push(stretch)
      else run = joined(stretch, run)
    }
    this.stretches = [...apart, run].sort((a, b) => order(a.from, b.from))
    if (to === END) for (const line of this.recent) if (this.shows(line)) this.insert(line)
  }

  // Lines as they are written. Answers how many are news.
  hear(lines) {
    let news = 0
    for (const line of lines) {
      if (line.seq ? line.seq <= this.lastSeq : this.knows(line)) continue
      this.lastSeq = Math.max(this.lastSeq, line.seq)
      this.total += 1
      if (Object.hasOwn(this.byLevel, line.level)) this.byLevel[line.level] += 1
      news += 1
      this.recent.push(line)
      if (this.shows(line)) this.insert(line)
    }
    if (this.recent.length > 2 * RECENT) this.recent = this.recent.slice(-RECENT)
    return news
  }

  knows(line) {
    return this.stretches.at(-1)?.lines.some((known) => known.key === line.key) ?? false
  }

  // Puts a line where it belongs, if that place is held; else it is read with what is around it.
  insert(line) {
    const stretch = this.stretches.find(({from, to}) => order(from, line) <= 0 && order(line, to) <= 0)
    if (!stretch) return
    const {lines} = stretch
    let at = lines.length
    while (at > 0 && order(line, lines[at - 1]) < 0) at -= 1
    if (at > 0 && lines[at - 1].key === line.key) return
    if (at === lines.length) lines.push(line)
    else lines.splice(at, 0, line)
  }

  // Holds no more than this many lines: the nearest to a place stay.
  trim(near, most) {
    if (this.held <= most * 1.25) return
    const lines = this.lines
    let middle = lines.findIndex((line) => order(line, near) >= 0)
    if (middle < 0) middle = lines.length
    const first = Math.max(0, Math.min(middle - Math.floor(most / 2), lines.length - most))
    const kept = new Set(lines.slice(first, first + most))
    this.stretches = this.stretches.flatMap((stretch) => {
      const rest = stretch.lines.filter((line) => kept.has(line))
      if (!rest.length) return []
      const whole = (end) => rest.at(end).key === stretch.lines.at(end).key
      return [{from: whole(0) ? stretch.from : rest[0], to: whole(-1) ? stretch.to : rest.at(-1), lines: rest}]
    })
  }

  // -- where things are -----------------------------------------------------------------------------------------------

  get atEnd() {
    return this.stretches.at(-1)?.to === END
  }

  find(seq) {
    for (const {lines} of this.stretches) {
      const line = lines.find((known) => known.seq === seq)
      if (line) return line
    }
    return null
  }

  // A line's number for a reader: as stored, without the room that was left. Null while nobody knows how much that was.
  numberOf(seq) {
    const shift = region(seq) ? this.shifts.get(region(seq)) : 0
    return shift === undefined ? null : seq - shift
  }

  seqOf(number) {
    for (const [of, shift] of this.shifts) if (number + shift >= of * REGION) return number + shift
    return number
  }

  // The gaps in front of, between and behind the stretches: between which lines, and about how many are missing.
  gaps() {
    if (!this.stretches.length) return []
    const rest = Math.max(0, this.matching - this.held)
    const found = []
    const last = this.stretches.length
    for (let i = 0; i <= last; i++) {
      const above = this.stretches[i - 1]
      const below = this.stretches[i]
      if ((above?.to ?? START) === END || (below?.from ?? END) === START) continue
      const first = above?.lines.length ? this.numberOf(above.lines.at(-1).seq) : 0
      const next = below?.lines.length ? this.numberOf(below.lines[0].seq) : this.all + 1
      found.push({kind: "gap", key: `gap-${i}`, above, below, span: Math.max(1, (next ?? 1) - (first ?? 0) - 1)})
    }
    const spans = found.reduce((sum, gap) => sum + gap.span, 0)
    for (const gap of found) gap.count = Math.max(1, Math.round(rest * gap.span / spans))
    return found
  }
}

// Of a page, the lines next to where it was asked: while a log is still being copied, lines may be missing where the
// region changes. `nearest` is the first or the last of the page; without a `neighbour` it counts itself as one.
export function trusted(lines, {nearest, neighbour = null, complete}) {
  if (complete || !lines.length) return lines
  const near = nearest === "last" ? [...lines].reverse() : lines
  const home = region((neighbour ?? near[0]).seq)
  const cut = near.findIndex((line) => region(line.seq) !== home)
  const kept = cut < 0 ? near : near.slice(0, cut)
  return nearest === "last" ? kept.reverse() : kept
}

// Whether a newest page that was trusted to its first line begins where the log does. Of a log that is still being
// copied only one without a gap can tell.
export const reachesStart = ({lines, has_more, complete}, known) =>
  !has_more && known.length === lines.length && (complete || !known.length || region(known[0].seq) === 0)

export const holds = (line, text) => line.message.toLowerCase().includes(text.toLowerCase())

const earlier = (a, b) => (order(a, b) <= 0 ? a : b)
const later = (a, b) => (order(a, b) >= 0 ? a : b)

// Two stretches that touch. A line that is in both stays the one that is held, with what is known of its drawing.
function joined(held, run) {
  const lines = []
  let i = 0
  let j = 0
  while (i < held.lines.length || j < run.lines.length) {
    const a = held.lines[i]
    const b = run.lines[j]
    if (a && b && a.key === b.key) { lines.push(a); i += 1; j += 1 }
    else if (b === undefined || (a !== undefined && order(a, b) <= 0)) { lines.push(a); i += 1 }
    else { lines.push(b); j += 1 }
  }
  return {from: earlier(held.from, run.from), to: later(held.to, run.to), lines}
}
