// Every text of the log viewer.
import {count, number} from "./wording.js"

export const countText = (shown, all) => {
  if (!all) return ""
  return shown === all ? count(all, "log") : `${number(shown)} of ${count(all, "log")}`
}

// What this tab was told of, of what there is, and what that is worth.
export function completeness({total, promised, complete}, {live, connected}) {
  const all = Math.max(total, promised)
  if (!all) return {text: "", word: "", good: false}
  const text = `${number(Math.min(total, all))} of ${count(all, "line")}`
  if (total < all) return {text, word: live && !connected ? "waiting for the connection" : "receiving the rest", good: false}
  if (live) return {text, word: connected ? "live" : "waiting for the connection", good: connected}
  return complete ? {text, word: "complete", good: true} : {text, word: "still being copied from Prefect", good: false}
}

export function gapText(gap, {copying, loading, failure}) {
  const lines = count(gap.count, "line")
  if (failure) return `${lines} could not be loaded. ${failure} Trying again.`
  if (loading) return "Loading lines..."
  if (copying) return "Older lines are still being copied from Prefect. They appear here as they arrive."
  if (!gap.above) return `${number(gap.count)} older ${gap.count === 1 ? "line" : "lines"}`
  return gap.below ? `${lines} between` : `${number(gap.count)} newer ${gap.count === 1 ? "line" : "lines"}`
}

export function markText(mark) {
  if (mark.cause === "copied") return `Here was a gap. It is filled: ${count(mark.count, "older line")} copied from Prefect, none missing.`
  if (!mark.filled) return "The connection was lost here. Lines written since then are missing until it is back."
  const gone = `The connection was lost here for ${count(mark.seconds, "second")}.`
  return mark.count ? `${gone} Filled: ${count(mark.count, "line")} came later, none missing.` : `${gone} No line was missed.`
}

export function hitsText(hits) {
  const known = hits.places.length
  if (hits.failed) return "The search failed"
  if (!known) return hits.isAll ? "No hits" : "Searching..."
  if (!hits.isAll) return `${number(known)}+ hits`
  return hits.current < 0 ? count(known, "hit") : `${number(hits.current + 1)} of ${count(known, "hit")}`
}

export const TEXTS = {
  title: "Job Logs",
  box: "Job log output",
  find: "Find in logs",
  clearFind: "Clear find",
  next: "Next hit",
  previous: "Previous hit",
  only: "Only matching lines",
  none: "No logs available yet",
  waiting: "Waiting for log entries...",
  loading: "Loading logs...",
  failed: "The log could not be read.",
  retry: "Try again",
  restore: "Show the cleared lines",
  noHits: (text) => `No line holds "${text}"`,
  filtered: (level) => `No logs matching filter "${level}"`,
  options: "Display options",
  wrap: "Wrap long lines",
  times: "Show timestamps",
  zone: "Time zone",
  local: "Local time",
  utc: "UTC",
  copy: "Copy logs",
  download: "Download logs",
  whole: "Whole log",
  shown: "Only what is filtered",
  formats: {txt: "Text", jsonl: "JSON lines", csv: "CSV"},
  expand: "Enlarge logs",
  shrink: "Shrink logs",
  copied: (lines) => `${count(lines, "line")} copied`,
  copyFailed: "The browser did not let the text be copied",
  tooLong: "Too long to copy: download it instead",
  missing: (seq) => `Line ${seq} is not in this log`,
  newLines: (lines) => count(lines, "new line"),
  toEnd: (lines) => `${count(lines, "new line")}: go to the end`,
  attempt: (attempt) => `Attempt ${attempt}`,
  more: (lines) => count(lines, "more line"),
  fold: "Fold",
  replaced: (lines) => count(lines, "update"),
  wholeMessage: (length) => `Show all ${number(length)} characters`,
  line: (number) => `Line ${number}`,
  copyLine: "Copy line",
}
