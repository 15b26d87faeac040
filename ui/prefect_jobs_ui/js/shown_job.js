// The job that the detail shows, for whoever else needs it: the commands, the title of the tab.
import {createStore} from "./store.js"

export const shownJob = createStore({job: null})
