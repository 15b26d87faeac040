// How lines are shown, as the user chose it: kept for all logs and for the next visit.
import {createStore} from "./store.js"
import {t} from "./texts.js"

const KEPT = "prefect-jobs.log-view"
const DEFAULTS = {wrap: true, times: true, zone: "local"}

function kept() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEPT))
    return Object.fromEntries(Object.entries(DEFAULTS).map(([name, value]) => [name, typeof stored?.[name] === typeof value ? stored[name] : value]))
  } catch { return DEFAULTS }
}

export const logView = createStore(kept())

export function chooseView(patch) {
  logView.set(patch)
  try { localStorage.setItem(KEPT, JSON.stringify(logView.get())) } catch { /* storage is switched off */ }
}

const clockOf = (timeZone) => new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone})
const stampOf = (timeZone) => new Intl.DateTimeFormat(t("locale"), {dateStyle: "medium", timeStyle: "long", timeZone})
const ZONES = {
  local: {clock: clockOf(undefined), stamp: stampOf(undefined)},
  utc: {clock: clockOf("UTC"), stamp: stampOf("UTC")},
}

const dated = (write) => (at) => (Number.isFinite(at) ? write(at) : "")
export const clockIn = (zone) => dated((at) => (ZONES[zone] ?? ZONES.local).clock.format(at))
export const stampIn = (zone) => dated((at) => (ZONES[zone] ?? ZONES.local).stamp.format(at))
