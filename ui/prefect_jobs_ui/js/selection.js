// The selected job lives in the URL (`?job=`), so that reload, Back and a shared link all restore it. Selecting pushes
// an entry. Panel's own location sync is not used: it pushes on every change and does not hear Back.
import {createStore} from "./store.js"

const read = () => new URLSearchParams(location.search).get("job") || null

export const selection = createStore({selected: read()})

export function select(id) {
  if (id === selection.get().selected) return
  const url = new URL(location.href)
  if (id === null) url.searchParams.delete("job")
  else url.searchParams.set("job", id)
  url.hash = "" // it names a line of the job that is left
  history.pushState({ours: true}, "", url)
  selection.set({selected: id})
}

// The way back to the list: the entry before, if we pushed this one, else a new one (a shared link has none before it).
export function leave() {
  if (history.state?.ours) history.back()
  else select(null)
}

addEventListener("popstate", () => selection.set({selected: read()}))
