// What a job is called and how a time reads. Pure: `now` is an argument everywhere, in milliseconds.
import {has, t} from "./texts.js"

const COLOURS = {
  running: "text-blue-400", processing: "text-blue-400", completed: "text-green-400", failed: "text-red-400", cancelled: "text-yellow-400",
}
const ICONS = {running: "running", processing: "running", completed: "completed", failed: "failed", cancelled: "cancelled"}

export const shortId = (id) => `#${id.slice(-6)}`

const capital = (word) => word.slice(0, 1).toUpperCase() + word.slice(1).replaceAll("_", " ")
export const stateLabel = (state) => (has(`state.${state}`) ? t(`state.${state}`) : has(`status.${state}`) ? t(`status.${state}`) : capital(state))

// A cancelled job reads `failed` on the wire; its `state` tells it apart.
export const look = ({status, state}) => (state === "cancelled" || state === "aborted" ? "cancelled" : status)
export const colour = (looks) => (Object.hasOwn(COLOURS, looks) ? COLOURS[looks] : "text-gray-400")
export const statusIcon = (looks) => `status-${Object.hasOwn(ICONS, looks) ? ICONS[looks] : "pending"}`
export const statusLabel = (looks) => t(`status.${["running", "completed", "failed", "cancelled"].includes(looks) ? looks : "pending"}`)

// `142` and `job-142` read `#142`; every other id is shown whole.
export function titleId(id) {
  const digits = /^(?:[A-Za-z]+-)?(\d+)$/.exec(id)
  return digits ? `#${digits[1]}` : id
}

// In the error window: a long id without digits at its end is cut.
export function windowId(id) {
  const short = titleId(id)
  if (short !== id || id.length <= 12 || /\d$/.test(id)) return short
  return `${id.slice(0, 8)}...`
}

// date-fns' words, for cards: `about 1 hour ago`.
export function distance(then, now) {
  const seconds = Math.max(0, (now - Date.parse(then)) / 1000)
  const minutes = Math.floor(seconds / 60 + 0.5)
  const days = Math.floor(seconds / 86400 + 0.5)
  const steps = [
    [30, "distance.moment"], [44.5 * 60, "ago.minute", minutes], [1439.5 * 60, "distance.hour", Math.floor(minutes / 60 + 0.5)],
    [2519.5 * 60, "ago.day", 1], [43199.5 * 60, "ago.day", days], [64799.5 * 60, "distance.month", 1],
    [86399.5 * 60, "distance.month", 2], [365 * 86400, "ago.month", Math.floor(days / 30 + 0.5)],
  ]
  for (const [limit, name, n] of steps) if (seconds < limit) return t(name, {n})
  const months = Math.max(12, Math.floor(days / 30.4375))
  const word = ["about", "over", "over", "almost"][Math.floor((months % 12) / 3)]
  return t(`distance.${word}-year`, {n: Math.floor(months / 12) + (word === "almost" ? 1 : 0)})
}

// A number of whole seconds, minutes, hours or days as the words of this family: the largest unit that is reached.
function inWords(family, seconds) {
  const [size, unit] = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]].find(([least, name]) => seconds >= least && has(`${family}.${name}`)) ?? [1, "second"]
  return t(`${family}.${unit}`, {n: Math.floor(seconds / size)})
}

// The detail's words: always rounded down.
export function relative(then, now) {
  const seconds = Math.max(0, Math.floor((now - Date.parse(then)) / 1000))
  return seconds < 10 ? t("ago.now") : inWords("ago", seconds)
}

export const absolute = (time) =>
  new Date(time).toLocaleTimeString(t("locale"), {hour: "2-digit", minute: "2-digit", second: "2-digit"})

export const longTime = (time) => new Date(time).toLocaleString(t("locale"), {dateStyle: "medium", timeStyle: "medium"})

export const fullTime = (time) => new Date(time).toLocaleString(t("locale"), {dateStyle: "medium", timeStyle: "long"})

export function duration(start, end) {
  const seconds = Math.max(0, Math.floor((Date.parse(end) - Date.parse(start)) / 1000))
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  return hours && minutes ? t("duration.both", {hours: String(hours), minutes: String(minutes)}) : inWords("duration", seconds)
}

export const clock = (time) => new Date(time).toLocaleTimeString("en-GB", {hour12: false})

// A stretch of time, as short as it is still told apart: `0.4 s`, `31 s`, `2 min 5 s`, `1 h 12 min`, `3 d 4 h`.
export function span(seconds) {
  if (seconds < 10) return t("span.s", {n: Math.round(seconds * 10) / 10})
  const whole = Math.round(seconds)
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]
  const first = parts.findIndex(([size]) => whole >= size)
  const [size, unit] = parts[first]
  const [nextSize, nextUnit] = parts[first + 1] ?? [1]
  const rest = Math.floor((whole % size) / nextSize)
  const larger = t(`span.${unit}`, {n: Math.floor(whole / size)})
  return rest ? `${larger} ${t(`span.${nextUnit}`, {n: rest})}` : larger
}

// When something comes (contract of the page, 4.3).
export function until(then, now) {
  const seconds = Math.floor((Date.parse(then) - now) / 1000)
  return seconds <= 0 ? t("until.now") : inWords("until", seconds)
}
