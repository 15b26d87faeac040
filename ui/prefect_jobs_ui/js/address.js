// The URL is the view: what is searched for, the selected job, the statistics. Reload, Back and a shared link restore
// it. A change of filters replaces the entry, selecting pushes one. Panel's own location sync is not used: it pushes on
// every change and does not hear Back.
import {createStore} from "./store.js"

const NAMES = {q: "q", status: "status", type: "type", job: "job", view: "view", period: "period"}

export const readAddress = (search) => {
  const params = new URLSearchParams(search)
  return Object.fromEntries(Object.entries(NAMES).map(([key, name]) => [key, params.get(name) ?? ""]))
}

export const address = createStore(readAddress(location.search))

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

export function go(patch, {push}) {
  const url = linkTo(patch)
  if (url.href === location.href) return
  if (push) history.pushState({ours: true}, "", url)
  else history.replaceState(history.state, "", url)
  address.set(patch)
}

export const filterBy = (patch) => go({...patch, job: ""}, {push: false})
export const select = (id) => go({job: id ?? ""}, {push: true})

// The way back to the list: the entry before, if we pushed this one, else a new one (a shared link has none before it).
export function leave() {
  if (history.state?.ours) history.back()
  else select(null)
}

addEventListener("popstate", () => address.set(readAddress(location.search)))
