// The job that the detail shows and, once it is read, its detailed form (`more`): for whoever else needs them, the
// commands and the window of its error.
import {createStore} from "./store.js"

export const shownJob = createStore({job: null, more: null})
