// What lies over the page, one thing at a time, by its name; and the short words that say what was done. The drawing
// of both is in dialogs.js.
import {createStore} from "./store.js"

export const overlay = createStore({name: null, props: {}, word: null})

// Opens a dialog by its name; the focus returns to where it was when it closes.
export function openDialog(name, props = {}) {
  if (overlay.get().name === null) overlay.returnTo = document.activeElement
  overlay.set({name, props})
}

export function closeDialog() {
  overlay.set({name: null, props: {}})
  document.getElementById("jobs-page").inert = false // before the focus can return into it
  if (overlay.returnTo?.isConnected) overlay.returnTo.focus({preventScroll: true})
}

// Says a short word about what was just done, or what could not be.
export const say = (text, tone = "good") => overlay.set({word: {text, tone}})
