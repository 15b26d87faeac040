// A value that several parts of the page look at: whoever sets it tells all who watch it.
import {useEffect, useState} from "preact/hooks"

export function createStore(state) {
  const watchers = new Set()
  return {
    get: () => state,
    set(patch) {
      state = {...state, ...patch}
      for (const watcher of watchers) watcher(state)
    },
    watch(watcher) {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
  }
}

export function useStore(store) {
  const [state, setState] = useState(store.get())
  useEffect(() => {
    setState(store.get())
    return store.watch(setState)
  }, [store])
  return state
}

// The parameters that Panel keeps in step, as state of a drawing.
export function useModel(model, names) {
  const read = () => Object.fromEntries(names.map((name) => [name, model[name]]))
  const [state, setState] = useState(read)
  useEffect(() => {
    const update = () => setState(read())
    model.on(names, update)
    update()
    return () => model.off(names, update)
  }, [model])
  return state
}
