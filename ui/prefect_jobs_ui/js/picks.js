// The jobs chosen for a bulk action: some by their ids, or all that match the filter.
import {createStore} from "./store.js"

export const picks = createStore({ids: new Set(), filter: null, any: false})

const show = (ids, filter = null) => picks.set({ids, filter, any: filter !== null || ids.size > 0})

picks.clear = () => show(new Set())
picks.all = (filter) => show(new Set(), filter)
picks.has = (id) => picks.get().filter !== null || picks.get().ids.has(id)

// Of all that match, single ones cannot be left out or added: whoever tries gets nothing chosen, and never what he wanted
// to spare.
picks.add = (added) => picks.get().filter !== null ? picks.clear() : show(new Set([...picks.get().ids, ...added]))

picks.toggle = (id) => {
  if (picks.get().filter !== null) return picks.clear()
  const ids = new Set(picks.get().ids)
  if (!ids.delete(id)) ids.add(id)
  show(ids)
}
