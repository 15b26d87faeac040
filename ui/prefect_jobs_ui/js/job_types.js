// The types of jobs that the server knows, with their titles and the schemas of their parameters.
import {ask} from "./api.js"
import {createStore} from "./store.js"

const BUILT_IN = ["export", "batch_audit", "cleanup", "re_evaluation", "backup", "import"].map((name) => ({name}))

export const types = createStore({known: BUILT_IN, complete: false, failure: null})

// Fills `types`. Built-in types come first, as the filter lists them; a failure keeps what was known.
export async function loadTypes() {
  try {
    const found = (await ask("jobs/types")).job_types
    const order = BUILT_IN.map(({name}) => name)
    const place = ({name}) => (order.includes(name) ? order.indexOf(name) : order.length)
    types.set({known: [...found].sort((a, b) => place(a) - place(b)), complete: true, failure: null})
  } catch (error) {
    types.set({failure: error.message})
  }
}
