// A tab in the background tells how the work goes: in its title, and by a dot on its icon.
import {address} from "./address.js"
import {typeLabel} from "./job_types.js"
import {t} from "./texts.js"
import {look, shortId} from "./wording.js"

const DOTS = {running: "#60A5FA", completed: "#22C55E", failed: "#EF4444", cancelled: "#EAB308"}
let shownJob = null
let running = 0
let failed = 0
let failedBefore = null // when the tab went into the background; null while it is looked at

export function showInTab(counts) {
  running = counts?.by_look.running ?? 0
  failed = counts?.by_look.failed ?? 0
  show()
}

document.addEventListener("visibilitychange", () => {
  failedBefore = document.hidden ? failed : null
  show()
})

// The selected job wins over what failed while nobody looked, and that over the number of running ones.
export function showJobInTab(job) {
  shownJob = job
  show()
}

export function titleOf(job, runningJobs, newlyFailed = 0) {
  if (!job && newlyFailed > 0) return `${t("tab.failed", {n: newlyFailed})} ${t("title")}`
  if (!job) return runningJobs ? `(${runningJobs}) ${t("title")}` : t("title")
  const shown = look(job)
  const name = `${typeLabel(job.job_type)} ${shortId(job.job_id)}`
  if (shown === "running") return `${job.progress}% ${name}`
  return `${{completed: "✓ ", failed: "✗ ", cancelled: "– "}[shown] ?? ""}${name}`
}

function show() {
  const job = address.get().job ? shownJob : null
  const newlyFailed = failedBefore === null ? 0 : failed - failedBefore
  document.title = titleOf(job, running, newlyFailed)
  const icon = document.querySelector('link[rel="icon"]')
  const colour = DOTS[job ? look(job) : newlyFailed > 0 ? "failed" : running ? "running" : ""]
  icon.dataset.plain ??= icon.href
  icon.href = colour ? `data:image/svg+xml,${encodeURIComponent(withDot(colour))}` : icon.dataset.plain
}

const withDot = (colour) => `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#76B900" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"><rect x="3" y="7.5" width="18" height="12" rx="2"/><path d="M8.5 7.5V6a2 2 0 0 1 2-2h3a2 2 0 0 1 2 2v1.5M3 13h18"/><circle cx="18" cy="18" r="5.5" fill="${colour}" stroke="#121212" stroke-width="1.5"/></svg>`
