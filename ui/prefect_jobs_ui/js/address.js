// The URL is the view: what is searched for, the selected job, the statistics. Reload, Back and a shared link restore
// it. A change of filters replaces the entry, selecting pushes one. Panel's own location sync is not used: it pushes on
// every change and does not hear Back.
import {createStore} from "./store.js"

const NAMES = {q: "q", status: "status", type: "type", job: "job", view: "view", period: "period"}

const STATUSES = ["pending", "running", "completed", "failed", "cancelled"]

// A status that nobody knows chooses nothing, as on the server.
export const readAddress = (search) => {
  const params = new URLSearchParams(search)
  const said = Object.fromEntries(Object.entries(NAMES).map(([key, name]) => [key, params.get(name) ?? ""]))
  return STATUSES.includes(said.status) ? said : {...said, status: ""}
}

export const address = createStore(readAddress(location.search))

// Tells of each change of what the list shows.
export function watchFilter(act) {
  const filter = () => JSON.stringify(["q", "status", "type"].map((name) => address.get()[name]))
  let shown = filter()
  return address.watch(() => {
    if (filter() === shown) return
    shown = filter()
    act()
  })
}

export const NO_FILTER = {q: "", status: "", type: ""}
export const isFiltered = ({q, status, type}) => Boolean(q || status || type)

// What a link to this view is.
export function linkTo(patch) {
  const url = new URL(location.href)
  url.hash = ""
  for (const [key, name] of Object.entries(NAMES)) {
    if (!(key in patch)) continue
    if (patch[key]) url.searchParams.set(name, patch[key])
    else url.searchParams.delete(name)
  }
  return url
}

// How many entries lie between the one with this job and that of the list it was chosen from: with each further job one
// more. None when the list is not among them, as in a shared link to a job.
function jobsAfter(job) {
  if (!job) return 0
  if (!address.get().job) return 1
  return history.state?.jobs ? history.state.jobs + 1 : 0
}

export function go(patch, {push}) {
  const url = linkTo(patch)
  if (url.href === location.href) return
  if (push) history.pushState({jobs: jobsAfter(patch.job)}, "", url)
  else history.replaceState(history.state, "", url)
  address.set(patch)
}

export const filterBy = (patch) => go({...patch, job: ""}, {push: false})
export const select = (id) => go({job: id ?? ""}, {push: true})

// The way back to the list: its own entry, however many jobs were looked at since, else a new one.
export function leave() {
  if (history.state?.jobs) history.go(-history.state.jobs)
  else select(null)
}

if (!address.get().status && new URLSearchParams(location.search).has("status")) history.replaceState(history.state, "", linkTo({status: ""}).href + location.hash)
addEventListener("popstate", () => address.set(readAddress(location.search)))
