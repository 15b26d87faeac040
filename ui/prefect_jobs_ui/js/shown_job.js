// The job that the detail shows, once it is read its detailed form (`more`), and what can be done with its log: for
// whoever else needs them, the commands and the window of its error.
import {createStore} from "./store.js"

export const shownJob = createStore({job: null, more: null, log: null})
