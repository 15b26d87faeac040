// What everybody may know of the list: which body the page shows, how many jobs match, what is being asked.
import {createStore} from "./store.js"

export const listState = createStore({
  phase: "loading", failure: null, total: null, exact: true, newer: 0, fetching: false, answers: 0,
})
