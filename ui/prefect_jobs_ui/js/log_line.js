// One line of a log: from the wire to a value that can be ordered, filtered and drawn.
export const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]

// Two lines, or two places between lines, in the order in which they are read: by time, then by the API's number.
export const order = (a, b) => a.at - b.at || a.seq - b.seq

export const START = {at: -Infinity, seq: 0}
export const END = {at: Infinity, seq: 0}

// `level` as a minimum severity; ALL lets also a level through that nobody knows.
export const passes = (line, level) => level === "ALL" || LEVELS.indexOf(line.level) >= LEVELS.indexOf(level)

const text = (value) => typeof value === "string"

// The line, or null: what lacks one of the three texts is not a line (contract 9.3). A server of old gives no number.
export function lineOf({seq, timestamp, level, message, attempt_number}) {
  if (!text(timestamp) || !text(level) || !text(message)) return null
  const numbered = Number.isInteger(seq)
  return {
    kind: "line",
    key: numbered ? seq : `${timestamp}|${level}|${message}`,
    seq: numbered ? seq : 0,
    at: Date.parse(timestamp) + fraction(timestamp),
    timestamp, level, message,
    attempt: Number.isInteger(attempt_number) ? attempt_number : 1,
    height: 0, // as drawn; 0 until then
    replaced: 0, // how many progress lines in front of it this one has written over, all of one `group`
    group: "",
  }
}

export const linesOf = (wire) => wire.map(lineOf).filter((line) => line !== null)

// Date.parse stops at milliseconds; Prefect's times have microseconds, and lines of one millisecond have an order.
function fraction(timestamp) {
  const digits = /\.\d{3}(\d{1,6})/.exec(timestamp)
  return digits ? Number(`0.${digits[1]}`) : 0
}
