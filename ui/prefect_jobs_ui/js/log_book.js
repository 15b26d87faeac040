// The lines of one job as this tab has them: each once, ordered by time, then by the number the API gave it.
export const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]

const text = (value) => typeof value === "string"
const before = (a, b) => a.at - b.at || a.seq - b.seq

export class LogBook {
  constructor() {
    this.lastSeq = 0 // where to go on after a lost connection; survives `clear`, so that cleared lines stay away
    this.level = "ALL"
    this.clear()
  }

  clear() {
    this.lines = []
    this.shown = [] // the lines of at least the chosen level
    this.generation = (this.generation ?? 0) + 1 // grows when lines already shown change their place
    this.keys = new Set()
  }

  setLevel(level) {
    this.level = level
    this.rebuild()
  }

  // Takes lines in; answers whether anything is new. A line without its three texts is not a line (contract 9.3).
  add(lines) {
    let news = false
    let ordered = true
    for (const {seq, timestamp, level, message} of lines) {
      if (!text(timestamp) || !text(level) || !text(message)) continue
      const key = Number.isInteger(seq) ? seq : `${timestamp}|${level}|${message}`
      if (this.keys.has(key)) continue
      this.keys.add(key)
      if (Number.isInteger(seq)) this.lastSeq = Math.max(this.lastSeq, seq)
      const line = {key, seq: Number.isInteger(seq) ? seq : 0, at: Date.parse(timestamp), fine: fraction(timestamp), timestamp, level, message}
      line.at += line.fine
      const last = this.lines.at(-1)
      if (last && before(line, last) < 0) ordered = false
      this.lines.push(line)
      if (ordered && this.passes(line)) this.shown.push(line)
      news = true
    }
    if (!ordered) {
      this.lines.sort(before)
      this.rebuild()
    }
    return news
  }

  passes(line) {
    return this.level === "ALL" || LEVELS.indexOf(line.level) >= LEVELS.indexOf(this.level)
  }

  rebuild() {
    this.shown = this.lines.filter((line) => this.passes(line))
    this.generation += 1
  }
}

// Date.parse stops at milliseconds; Prefect's times have microseconds, and lines of one millisecond have an order.
function fraction(timestamp) {
  const digits = /\.\d{3}(\d{1,6})/.exec(timestamp)
  return digits ? Number(`0.${digits[1]}`) : 0
}
