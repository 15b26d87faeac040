// Reads one job's log for one tab: opens it where it is worth looking, loads what comes into sight, follows what is being
// written, and looks for what is searched. What is held is in the book; the drawing asks for what it lacks.
import {END, START, order, passes} from "./log_line.js"
import {LogBook, holds, reachesStart, trusted} from "./log_book.js"
import {LogHits} from "./log_hits.js"
import {LogPages} from "./log_pages.js"
import {LogSocket} from "./log_socket.js"

const HELD_MOST = 8000 // lines: what a tab holds of a log, whatever its length
const LAST_LINES_MS = 10000 // so long the last lines of an ended job may take on the socket
const LOOK_AGAIN_MS = 1000
const SETTLE_MS = 15_000 // so long the last lines of a job may be on their way to Prefect after its end
const JUST_MS = 120_000 // and so far the clocks may differ
const HITS_MOST = 10_000 // hits that are counted without being asked for

export class LogReader {
  // `onChange()` is called whenever something has changed; `clock()` gives milliseconds.
  constructor(jobId, {onChange, clock = Date.now}) {
    this.book = new LogBook()
    this.pages = new LogPages(jobId)
    this.clock = clock
    this.onChange = () => { if (!this.closed) onChange() }
    this.connection = {state: "disconnected", attempt: 0}
    this.phase = "loading" // then "ready", or "failed" with a `failure`
    this.failure = ""
    this.loading = new Set()
    this.hits = null
    this.target = null // {line, place}: what the box is to show next; a new object for each wish
    this.follow = true
    this.near = END // the first line in sight, while the end is not followed
    this.turn = 0 // grows with each wish for other lines: what was asked for before it is thrown away
    this.settledAt = 0 // until then an ended job's log may grow
    this.unseen = 0 // lines that were written while the end was out of sight
    this.closed = false
    this.socket = new LogSocket(jobId, {
      after: () => this.book.lastSeq,
      onLine: (line) => this.hear(line),
      onPosition: (position) => this.hearPosition(position),
      onConnection: (connection) => this.hearConnection(connection),
    })
  }

  // -- opening and ending ---------------------------------------------------------------------------------------------

  // Shows the line with this number, else a failed job's first error, else the end.
  async open({live, failed, seq, endedAt = 0}) {
    this.live = live
    if (!live && Math.abs(this.clock() - endedAt) < JUST_MS) this.settledAt = this.clock() + SETTLE_MS
    await this.untilRead((answer) => this.take(answer))
    if (this.closed) return
    if (this.live) this.socket.connect(0)
    this.lookAgain()
    if (seq) await this.toNumber(seq)
    else if (failed && !this.live) await this.toFirstError()
  }

  // Where the viewer looks.
  get place() {
    return this.follow ? END : this.near
  }

  // The newest page of what is wanted is asked for until it comes: without it there is nothing to show. Answers whether
  // it is still wanted by then.
  async untilRead(take) {
    const turn = ++this.turn
    for (let wait = LOOK_AGAIN_MS; !this.closed; wait = Math.min(2 * wait, 15_000)) {
      try {
        const answer = await this.pages.newest(this.wanted, {after: this.book.cleared?.seq})
        if (turn !== this.turn || this.closed) return false
        take(answer)
        this.phase = "ready"
        this.failure = ""
        this.onChange()
        return true
      } catch (error) {
        if (turn !== this.turn || this.closed) return false
        this.phase = "failed"
        this.failure = error.message
        this.onChange()
        await new Promise((done) => {
          this.again = done
          this.waiting = setTimeout(done, wait)
        })
        if (turn !== this.turn) return false
      }
    }
    return false
  }

  // A newest page: what stands at the end of the log, and what the whole is.
  take(answer, {learn = true} = {}) {
    const known = trusted(answer.lines, {nearest: "last", complete: answer.complete})
    this.book.cover(known, reachesStart(answer, known) ? START : known[0], END)
    if (!learn) return
    this.book.learn(answer)
    if (this.book.level === "ALL" && !this.book.contains) {
      this.book.lastSeq = answer.lines.reduce((last, line) => Math.max(last, line.seq), this.book.lastSeq)
    }
  }

  setLive(live) {
    if (live === this.live || this.live === undefined) return
    this.live = live
    clearTimeout(this.ending)
    if (this.phase !== "ready") return
    if (live) this.socket.connect(0)
    else if (this.socket.open) this.ending = setTimeout(() => this.finish(), LAST_LINES_MS)
    else this.finish()
  }

  retry() {
    if (this.phase === "failed") this.again?.()
    else this.socket.retry()
  }

  close() {
    this.closed = true
    clearTimeout(this.ending)
    clearTimeout(this.waiting)
    clearTimeout(this.looking)
    clearTimeout(this.recovering)
    this.again?.()
    this.socket.drop()
    this.pages.close()
  }

  // The job has ended and the socket has told all, or was given up: what it did not tell is read from the store.
  async finish() {
    clearTimeout(this.ending)
    this.settledAt = this.clock() + SETTLE_MS
    this.socket.close()
    this.book.complete = null // until the store has told
    await this.attempt("finish", async () => {
      for (let more = true; more && !this.live;) {
        const answer = await this.pages.stored(this.book.lastSeq)
        this.hearAll(answer.lines)
        more = answer.has_more && answer.lines.length > 0
        if (!more) this.book.learn(answer)
      }
    })
    this.lookAgain()
  }

  // While a log is still being copied out of Prefect its counts are asked for again and again; and of a job that has
  // just ended Prefect may not hold the last lines yet.
  lookAgain() {
    clearTimeout(this.looking)
    if (this.closed || this.live || (this.book.complete && this.clock() >= this.settledAt)) return
    this.looking = setTimeout(async () => {
      await this.attempt("look", async () => {
        const filling = this.book.gaps().length > 0
        const before = this.book.promised
        const answer = await this.pages.stored(this.book.lastSeq)
        this.hearAll(answer.lines)
        if (!answer.has_more || !answer.lines.length) this.book.learn(answer)
        if (filling && this.book.complete && this.book.total > before) this.markFilled(this.book.total - before)
      })
      this.lookAgain()
    }, LOOK_AGAIN_MS)
  }

  markFilled(count) {
    const first = this.book.stretches.at(-1)?.lines[0]
    if (first) this.mark({place: {at: first.at, seq: first.seq - 0.5}, cause: "copied", count})
  }

  // -- what is being written ------------------------------------------------------------------------------------------

  hear(line) {
    this.hearAll([line])
  }

  hearAll(lines) {
    const news = this.book.hear(lines)
    if (!news) return
    if (!this.follow) this.unseen += news
    if (this.lost?.back) this.lost.count += news
    if (this.hits) for (const line of lines) if (passes(line, this.book.level) && holds(line, this.hits.text)) this.hits.newer(line)
    if (this.book.contains && this.hits) this.book.found = this.hits.places.length
    this.book.trim(this.place, HELD_MOST)
    this.onChange()
  }

  hearPosition({total_lines, complete}) {
    if (!Number.isInteger(total_lines)) return
    const differs = this.book.promise(total_lines)
    if (this.lost?.back) this.found()
    // Lines that are on their way count for nothing; a difference that stays is read again.
    if (differs && differs === this.differed) this.resync()
    this.differed = differs
    if (complete && !this.live) this.finish()
    this.onChange()
  }

  async resync() {
    await this.attempt("look", async () => this.book.learn(await this.pages.newest({}, {limit: 1})))
  }

  hearConnection(connection) {
    const was = this.connection.state
    this.connection = connection
    if (was === "connected" && connection.state === "reconnecting") {
      if (!this.live) {
        this.finish()
        return
      }
      const last = this.book.lines.at(-1)
      this.lost = {place: {at: last?.at ?? 0, seq: (last?.seq ?? 0) + 0.5}, cause: "lost", since: this.clock(), back: false, count: 0}
      this.mark(this.lost)
    }
    if (connection.state === "connected" && this.lost) {
      this.lost.back = true
      this.lost.seconds = Math.max(1, Math.round((this.clock() - this.lost.since) / 1000))
    }
    this.onChange()
  }

  // After a lost connection everything up to the position was told: the gap is filled.
  found() {
    this.lost.filled = true
    this.lost = null
  }

  mark(mark) {
    mark.kind = "mark"
    mark.key = `mark-${this.book.marks.length}-${mark.place.seq}`
    mark.height = 0
    this.book.marks.push(mark)
    this.book.marks.sort((a, b) => order(a.place, b.place))
  }

  // -- what comes into sight ------------------------------------------------------------------------------------------

  get wanted() {
    return {level: this.book.level, contains: this.book.contains}
  }

  // One loading of a kind at a time; what was wanted before the filter changed is thrown away.
  async attempt(kind, load) {
    if (this.loading.has(kind) || this.closed) return
    const {wanted} = this
    const valid = () => !this.closed && wanted.level === this.wanted.level && wanted.contains === this.wanted.contains
    this.loading.add(kind)
    this.onChange()
    try {
      await load(valid)
      this.failure = ""
    } catch (error) {
      if (this.closed) return
      this.failure = error.message
      clearTimeout(this.recovering)
      this.recovering = setTimeout(() => { this.inVain = null; this.onChange() }, 3 * LOOK_AGAIN_MS)
    }
    this.loading.delete(kind)
    this.onChange()
  }

  // The lines at the lower edge of a gap, at its upper edge, or in its midst (a fraction of it).
  fill(gap, where) {
    const tried = `${gap.above?.lines.at(-1)?.key}|${gap.below?.lines[0]?.key}|${this.book.promised}`
    if (tried === this.inVain) return null
    return this.attempt("gap", async (valid) => {
      const {held} = this.book
      this.inVain = tried // until it has brought something: what is not copied yet, or fails, is not asked for at once again
      if (where === "above") await this.fillDown(gap, valid)
      else if (where === "below") await this.fillUp(gap, valid)
      else await this.fillMidst(gap, where, valid)
      if (!valid()) return
      if (this.book.held > held || !this.book.gaps().some((open) => open.key === gap.key)) this.inVain = null
      this.book.trim(this.place, HELD_MOST)
    })
  }

  async fillUp({below}, valid) {
    if (!below) {
      const answer = await this.pages.newest(this.wanted, {after: this.book.cleared?.seq})
      if (valid()) this.take(answer, {learn: false})
      return
    }
    const first = below.lines[0] ?? below.to
    const answer = await this.pages.before(first.seq, this.wanted, {after: this.book.cleared?.seq})
    if (!valid()) return
    const lines = trusted(answer.lines, {nearest: "last", neighbour: first, complete: answer.complete})
    const whole = reachesStart(answer, lines)
    if (lines.length || whole) this.book.cover(lines, whole ? START : lines[0], first)
  }

  async fillDown({above}, valid) {
    const last = above.lines.at(-1)
    let limit
    for (let more = true; more;) {
      const answer = await this.pages.since(last.timestamp, this.wanted, limit ? {limit} : {})
      if (!valid()) return
      const lines = trusted(answer.lines, {nearest: "first", neighbour: last, complete: answer.complete})
      const whole = !answer.has_more && lines.length === answer.lines.length
      this.book.cover(lines, last, whole ? END : lines.at(-1) ?? last)
      // A whole page of one moment leads nowhere: a longer one does.
      more = answer.has_more && lines.at(-1)?.at === last.at && limit !== 10_000
      limit = 10_000
    }
  }

  async fillMidst({above, below}, fraction, valid) {
    const number = (stretch, at, otherwise) => (stretch?.lines.length ? this.book.numberOf(stretch.lines.at(at).seq) : null) ?? otherwise
    const first = number(above, -1, 0)
    const next = number(below, 0, this.book.all + 1)
    const aim = this.book.seqOf(Math.round(first + fraction * (next - first)))
    const answer = await this.pages.before(aim, this.wanted)
    if (!valid()) return
    const lines = trusted(answer.lines, {nearest: "last", complete: answer.complete})
    if (!lines.length) return
    this.book.cover(lines, reachesStart(answer, lines) ? START : lines[0], lines.at(-1))
    this.show(lines[Math.floor(lines.length / 2)], "middle")
  }

  async toEnd() {
    this.unseen = 0
    if (!this.book.atEnd) {
      await this.attempt("end", async (valid) => {
        const answer = await this.pages.newest(this.wanted, {after: this.book.cleared?.seq})
        if (valid()) this.take(answer, {learn: false})
      })
    }
    this.onChange()
  }

  show(line, place) {
    this.target = {line, place}
    this.follow = false
    this.onChange()
  }

  // Brings a place of which number and time are known into the book, with what is around it.
  async around(place, valid) {
    const held = this.book.find(place.seq)
    if (held) return held
    const [front, rest] = await Promise.all([
      this.pages.before(place.seq, this.wanted, {limit: 200}),
      this.pages.since(place.timestamp, this.wanted, {limit: 200}),
    ])
    if (!valid()) return null
    const complete = front.complete && rest.complete
    const above = trusted(front.lines, {nearest: "last", neighbour: place, complete})
    const behind = trusted(rest.lines, {nearest: "first", neighbour: place, complete}).filter((line) => order(line, place) >= 0)
    const whole = !rest.has_more && rest.lines.length && behind.at(-1)?.seq === rest.lines.at(-1).seq
    const from = reachesStart(front, above) ? START : above[0] ?? place
    this.book.cover([...above, ...behind], from, whole ? END : behind.at(-1) ?? place)
    return this.book.find(place.seq)
  }

  async toPlace(place, where) {
    await this.attempt("place", async (valid) => {
      const line = await this.around(place, valid)
      if (!line || !valid()) return
      this.near = line
      this.show(line, where)
      this.book.trim(line, HELD_MOST)
    })
  }

  // The line that was linked. Its number tells nothing of its time, so it is asked for first.
  async toNumber(seq) {
    const held = this.book.find(seq)
    if (held) {
      this.show(held, "upper")
      return
    }
    let place = null
    await this.attempt("number", async () => {
      const answer = await this.pages.before(seq + 1, this.wanted, {limit: 1})
      place = answer.lines.find((line) => line.seq === seq) ?? null
      if (!place) place = (await this.pages.stored(seq - 1, 1)).lines.find((line) => line.seq === seq) ?? null
    })
    if (place) await this.toPlace(place, "upper")
    this.missing = place ? null : seq
    this.onChange()
  }

  async toFirstError() {
    const {complete, byLevel} = this.book
    if (!byLevel.ERROR) return
    let first = null
    await this.attempt("error", async () => {
      // What is still being copied answers late from its start; its end is here at once.
      const answer = complete
        ? await this.pages.ask({limit: 1}, {level: "ERROR"})
        : await this.pages.newest({level: "ERROR"}, {limit: 200})
      first = answer.lines[0] ?? null
    })
    // Whoever has scrolled or searched meanwhile wants to see something else.
    if (first && this.follow && !this.hits && this.book.level === "ALL") await this.toPlace(first, "upper")
  }

  // -- filters and search ---------------------------------------------------------------------------------------------

  // Other lines are wanted; what was being read stays in sight where it can.
  async filter(wanted) {
    const {place} = this
    this.book.want(wanted)
    this.phase = "loading"
    this.onChange()
    if (!await this.untilRead((answer) => this.take(answer, {learn: !this.live}))) return
    if (place.timestamp) await this.nearest(place)
    if (this.hits && wanted.level !== undefined) await this.search(this.hits.text)
  }

  // The filtered line next to a place of the whole log.
  async nearest(place) {
    await this.attempt("place", async (valid) => {
      const answer = await this.pages.since(place.timestamp, this.wanted, {limit: 200})
      if (!valid()) return
      const line = answer.lines.find((known) => order(known, place) >= 0) ?? this.book.lines.at(-1)
      if (!line) return
      const held = await this.around(line, valid)
      if (held) this.show(held, "upper")
    })
  }

  async search(text) {
    clearTimeout(this.searching)
    if (!text) {
      this.hits = null
      if (this.book.contains) await this.filter({contains: ""})
      this.onChange()
      return
    }
    const hits = new LogHits(text)
    const only = Boolean(this.book.contains)
    this.hits = hits
    if (only && this.book.contains !== text) await this.filter({contains: text})
    await this.moreHits(hits)
    if (this.hits !== hits) return
    if (!only && hits.near(this.place)) await this.toHit()
    for (let known = -1; this.hits === hits && !hits.isAll && !hits.failed && hits.places.length < HITS_MOST && hits.places.length > known;) {
      known = hits.places.length
      await this.moreHits(hits)
    }
  }

  async moreHits(hits) {
    try {
      const before = hits.places[0]?.seq ?? null
      const {lines, has_more} = await this.pages.hits(hits.text, this.book.level, before)
      const after = this.book.cleared?.seq ?? -1
      hits.older(lines.filter((line) => line.seq > after), !has_more)
      hits.failed = false
    } catch { hits.failed = true }
    if (this.hits === hits && this.book.contains) this.book.found = hits.places.length
    this.onChange()
  }

  async step(by) {
    const {hits} = this
    if (!hits) return
    if (hits.failed || (by < 0 && hits.atOldest && !hits.isAll)) await this.moreHits(hits)
    if (this.hits === hits && hits.step(by)) await this.toHit()
  }

  // Shows the current hit, and where somebody steps faster than hits are loaded the one that is current by then.
  async toHit() {
    const {hits} = this
    this.onChange()
    for (let shown = null; this.hits === hits && hits.places[hits.current] && shown !== hits.places[hits.current];) {
      shown = hits.places[hits.current]
      await this.toPlace(shown, "middle")
    }
  }

  // Only the lines that hold the searched text, or all again.
  async only(wants) {
    if (this.hits) await this.filter({contains: wants ? this.hits.text : ""})
  }

  clear() {
    this.book.clear()
    this.unseen = 0
    this.hits = null
    this.follow = true
    this.onChange()
  }

  async restore() {
    this.book.restore()
    await this.filter({})
  }
}
