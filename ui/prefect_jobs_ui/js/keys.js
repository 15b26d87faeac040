// The keys of the whole page (contract of the page, 5). They rest while somebody types or a dialog is open.
import {address, go, leave} from "./address.js"
import {openDialog, overlay} from "./overlay.js"
import {picks} from "./picks.js"
import {shownJob} from "./shown_job.js"

// What the list lets the keys do; it is filled in when the list is drawn.
export const listKeys = {move: () => {}, pick: () => {}}

const typing = (node) => node instanceof Element && node.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null

export function listenToKeys({refresh}) {
  const keys = {
    j: () => listKeys.move(1),
    k: () => listKeys.move(-1),
    x: () => listKeys.pick(),
    r: refresh,
    "/": () => document.getElementById("search")?.focus(),
    "?": () => openDialog("help"),
    Escape: () => {
      if (address.get().view) go({view: ""}, {push: true})
      else if (shownJob.get().log?.shrink()) return
      else if (picks.get().any) picks.clear()
      else if (address.get().job) leave()
    },
  }
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault()
      if (overlay.get().name === null) openDialog("palette")
      return
    }
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || overlay.get().name !== null) return
    if (typing(event.target)) return
    const act = keys[event.key]
    if (!act || (address.get().view && !["?", "r", "Escape"].includes(event.key))) return
    event.preventDefault()
    act()
  })
}
