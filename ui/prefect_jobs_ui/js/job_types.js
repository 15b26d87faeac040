// The types of jobs that the server knows, with their titles and the schemas of their parameters.
import {ask} from "./api.js"
import {createStore} from "./store.js"
import {has, t} from "./texts.js"

const BUILT_IN = ["export", "batch_audit", "cleanup", "re_evaluation", "backup", "import"].map((name) => ({name}))

export const types = createStore({known: BUILT_IN, complete: false, failure: null})

const spoken = (name) => name.toLowerCase().replaceAll(/[-_]/g, " ")

// The built-in types have labels; any other has the title its author gave it, or its name: a title that the server made
// of the name tells nothing more, and the name is what Prefect shows.
export function typeLabel(type) {
  if (has(`type.${type}`)) return t(`type.${type}`)
  const title = types.get().known.find(({name}) => name === type)?.title
  return title && spoken(title) !== spoken(type) ? title : type
}

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
