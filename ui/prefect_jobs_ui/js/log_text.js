// What a log message looks like: pieces of plain text, each with classes for its colours. A terminal's colour codes become
// classes, everything else a terminal would obey is dropped or made visible, and nothing ever becomes markup.
const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"]
const STYLES = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike"}
const OFF = {22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"]}

// Colour codes; other control sequences; titles and links; lone controls; and signs that turn the direction of text round.
const CODES = /\x1b\[([\d;:]*)m|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]{0,2000}(?:\x07|\x1b\\)|\x1b[ -/]?[0-~]?|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g

// A sign that would not be seen, or would change how others are seen, by its name.
function visible(sign) {
  const code = sign.charCodeAt(0)
  if (code < 0x20) return String.fromCharCode(0x2400 + code)
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`
}

export function pieces(message) {
  const found = []
  const put = (text, classes) => { if (text) found.push({text, classes}) }
  const written = overwritten(message)
  let style = {}
  let end = 0
  for (const code of written.matchAll(CODES)) {
    put(written.slice(end, code.index), classesOf(style))
    end = code.index + code[0].length
    if (code[1] !== undefined) style = styled(style, code[1])
    else if (code[0][0] !== "\x1b") put(visible(code[0]), "control")
  }
  put(written.slice(end), classesOf(style))
  return found
}

export const plain = (message) => pieces(message).map(({text}) => text).join("")

// A carriage return goes back to the line's start: what is written next stands in its place.
export function overwritten(message) {
  if (!message.includes("\r")) return message
  return message.replaceAll("\r\n", "\n").split("\n").map((line) => {
    const written = line.split("\r").filter((part) => part !== "")
    return written.at(-1) ?? ""
  }).join("\n")
}

// Whether a line takes the place of the one in front of it, as progress bars do. Both must go back to the line's start,
// and say the same but for figures: output of other systems ends every line with a carriage return.
export const writesOver = (line, previous) =>
  ((line.message.startsWith("\r") && previous.message.startsWith("\r")) || previous.message.endsWith("\r"))
  && letters(line.message) === letters(previous.message)

const letters = (message) => message.replace(/\P{L}+/gu, "")

const MOST_CODES = 64 // in one sequence: a colour takes five, and the longest are a few of those

function styled(style, codes) {
  const left = codes.split(/[;:]/, MOST_CODES).map(Number)
  let next = {...style}
  while (left.length) {
    const code = left.shift()
    if (code === 0) next = {}
    else if (STYLES[code]) next[STYLES[code]] = true
    else if (OFF[code]) for (const name of OFF[code]) delete next[name]
    else if (code >= 30 && code <= 37) next.fore = COLOURS[code - 30]
    else if (code >= 90 && code <= 97) next.fore = `bright-${COLOURS[code - 90]}`
    else if (code >= 40 && code <= 47) next.back = COLOURS[code - 40]
    else if (code >= 100 && code <= 107) next.back = COLOURS[code - 100]
    else if (code === 39) delete next.fore
    else if (code === 49) delete next.back
    else if (code === 38 || code === 48) {
      const colour = extended(left)
      if (colour) next[code === 38 ? "fore" : "back"] = code === 38 ? colour : colour.replace("bright-", "")
    }
  }
  return next
}

// 256 colours and true colours: the nearest of the sixteen, which are readable in both themes.
function extended(left) {
  const kind = left.shift()
  if (kind === 2) return nearest(left.splice(0, 3))
  if (kind !== 5) return null
  const n = left.shift()
  if (!(n >= 0 && n < 256)) return null
  if (n < 8) return COLOURS[n]
  if (n < 16) return `bright-${COLOURS[n - 8]}`
  if (n >= 232) return nearest([n - 232, n - 232, n - 232].map((step) => 8 + 10 * step))
  return nearest([Math.floor((n - 16) / 36), Math.floor((n - 16) / 6) % 6, (n - 16) % 6].map((step) => (step ? 55 + 40 * step : 0)))
}

function nearest(parts) {
  const most = Math.max(...parts)
  if (parts.length < 3 || !Number.isFinite(most)) return null
  if (most < 60) return "black"
  const bits = parts.map((part) => (part > most * 0.6 ? 1 : 0))
  const name = COLOURS[bits[0] + 2 * bits[1] + 4 * bits[2]]
  return most > 200 ? `bright-${name}` : name
}

function classesOf(style) {
  const {fore, back, ...rest} = style
  const found = Object.keys(rest).map((name) => `ansi-${name}`)
  if (back) found.push(`ansi-on-${back}`)
  // Text of its ground's colour could not be read.
  if (fore && fore.replace("bright-", "") !== back) found.push(`ansi-${fore}`)
  return found.join(" ")
}

// The same pieces, cut where the searched text begins and ends.
export function marked(found, text) {
  if (!text) return found
  const whole = found.map((piece) => piece.text).join("")
  const searched = new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "giu")
  const spans = [...whole.matchAll(searched)].map((match) => [match.index, match.index + match[0].length])
  const cut = []
  let at = 0
  let next = 0
  for (const {text: part, classes} of found) {
    let from = at
    at += part.length
    while (from < at) {
      while (next < spans.length && spans[next][1] <= from) next += 1
      const [begin, end] = spans[next] ?? [Infinity, Infinity]
      const hit = begin <= from
      const to = Math.min(at, hit ? end : begin)
      cut.push({text: whole.slice(from, to), classes, hit})
      from = to
    }
  }
  return cut
}

// A long message shows its first lines and, of a traceback, the last: it says what went wrong.
const SHORT = 8
const HEAD = 1
const LONGEST = 20_000

export function folds(message) {
  const lines = message.trimEnd().split("\n", 5000)
  return lines.length > SHORT || (lines.length > 3 && lines.some((line) => line.startsWith("Traceback (most recent call last)")))
}

export function folded(message) {
  const lines = message.trimEnd().split("\n")
  const traceback = lines.findIndex((line) => line.startsWith("Traceback (most recent call last)"))
  const head = traceback < 0 ? 3 : Math.min(traceback + HEAD, 3)
  const tail = traceback < 0 ? 0 : 1
  return {head: lines.slice(0, head).join("\n"), hidden: lines.length - head - tail, tail: tail ? lines.at(-1) : ""}
}

export const cut = (message) => (message.length > LONGEST ? message.slice(0, LONGEST) : message)
