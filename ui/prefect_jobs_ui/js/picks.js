// The jobs chosen for a bulk action: some by their ids, or all that match the filter.
import {watchFilter} from "./address.js"
import {createStore} from "./store.js"

export const picks = createStore({ids: new Set(), filter: null, any: false})

const show = (ids, filter = null) => picks.set({ids, filter, any: filter !== null || ids.size > 0})

// Counts how often all was chosen or nothing: what was being picked one by one before counts no more.
picks.turn = 0
picks.clear = () => {
  picks.turn += 1
  show(new Set())
}
picks.all = (filter) => {
  picks.turn += 1
  show(new Set(), filter)
}
picks.has = (id) => picks.get().filter !== null || picks.get().ids.has(id)

picks.add = (added) => show(new Set([...picks.get().ids, ...added]))

// Of all that match, none can be left out: whoever tries gets nothing chosen, and never what he wanted to spare.
picks.toggle = (id) => {
  if (picks.get().filter !== null) return picks.clear()
  const ids = new Set(picks.get().ids)
  if (!ids.delete(id)) ids.add(id)
  show(ids)
}

// Another filter is another list, also where neither of them has a job.
watchFilter(picks.clear)
