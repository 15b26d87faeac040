// A restart of the page's server kills its sessions silently: the page would stand still and look alive. So the end of
// the session shows a banner and asks until a server answers; then the page reloads, and its URL restores the view.
import {t} from "./texts.js"
import {relative} from "./wording.js"

const ASK_EVERY_MS = 1000

let leaving = false
addEventListener("pagehide", () => { leaving = true })
addEventListener("pageshow", (event) => { if (event.persisted) location.reload() })

export function watchServer(document_model) {
  document.documentElement.dataset.live = ""
  document.getElementById("lost").hidden = true // the page had given up on a slow connection
  document_model.on_event("connection_lost", () => { if (!leaving) waitForServer() })
}

async function waitForServer() {
  if (!("live" in document.documentElement.dataset)) return
  delete document.documentElement.dataset.live
  const banner = document.getElementById("lost")
  banner.textContent = `${t("lost")} `
  const age = banner.appendChild(document.createElement("span"))
  age.setAttribute("aria-hidden", "true") // it ticks: a screen reader hears the sentence once
  const since = new Date().toISOString()
  banner.hidden = false
  const address = `${location.pathname.replace(/\/+$/, "")}/alive`
  for (;;) {
    age.textContent = t("lost.age", {age: relative(since, Date.now())})
    await new Promise((done) => setTimeout(done, ASK_EVERY_MS))
    try {
      const answer = await fetch(address, {cache: "no-store"})
      if (answer.ok) break
    } catch { /* still away */ }
  }
  location.reload()
}
