// Where the searched text stands in the whole log: places in order, known from the end of the log backwards.
import {order} from "./log_line.js"

const MOST = 20_000 // a log that is written for days has any number of hits; older ones are found again

export class LogHits {
  constructor(text) {
    this.text = text
    this.places = [] // {seq, at, timestamp}
    this.isAll = false // whether older ones may follow
    this.current = -1
    this.failed = false
  }

  // A page of older hits.
  older(lines, isAll) {
    this.places.unshift(...lines.map(placeOf))
    if (this.current >= 0) this.current += lines.length
    this.isAll = isAll
  }

  // A line that was just written holds the text.
  newer(line) {
    let at = this.places.length
    while (at > 0 && order(line, this.places[at - 1]) < 0) at -= 1
    if (this.places[at - 1]?.seq === line.seq) return
    this.places.splice(at, 0, placeOf(line))
    if (this.current >= at) this.current += 1
    while (this.places.length > MOST) {
      this.places.shift()
      this.current = Math.max(-1, this.current - 1)
      this.isAll = false
    }
  }

  // The first hit at or behind a place, else the last one.
  near(place) {
    const behind = this.places.findIndex((hit) => order(hit, place) >= 0)
    this.current = behind < 0 ? this.places.length - 1 : behind
    return this.places[this.current] ?? null
  }

  // The next hit (1) or the one before (-1). Behind the last comes the first, as soon as the first is known.
  step(by) {
    const count = this.places.length
    if (!count) return null
    this.current = this.current < 0 ? count - 1 : (this.current + by + count) % count
    return this.places[this.current]
  }

  get atOldest() {
    return this.current <= 0
  }
}

const placeOf = ({seq, at, timestamp}) => ({seq, at, timestamp})
