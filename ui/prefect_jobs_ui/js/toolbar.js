// The header. It owns the URL: whichever job the URL names, it tells the session in Python.
import {html} from "htm/preact"
import {useEffect, useState} from "preact/hooks"
import {draw, Icon} from "./drawing.js"
import {watchServer} from "./page_server.js"
import {selection} from "./selection.js"
import {useModel} from "./store.js"
import {count} from "./wording.js"

const KEY = "prefect-jobs.theme"
const THEMES = {system: {icon: "system", next: "light"}, light: {icon: "sun", next: "dark"}, dark: {icon: "moon", next: "system"}}
const prefersLight = matchMedia("(prefers-color-scheme: light)")

function readTheme() {
  try {
    const kept = localStorage.getItem(KEY)
    return Object.hasOwn(THEMES, kept) ? kept : "system"
  } catch { return "system" }
}

function applyTheme(theme) {
  const light = theme === "light" || (theme === "system" && prefersLight.matches)
  document.documentElement.dataset.theme = light ? "light" : "dark"
}

function ThemeButton() {
  const [theme, setTheme] = useState(readTheme)
  useEffect(() => {
    applyTheme(theme)
    const follow = () => applyTheme(theme)
    prefersLight.addEventListener("change", follow)
    return () => prefersLight.removeEventListener("change", follow)
  }, [theme])
  const {icon, next} = THEMES[theme]
  const change = () => {
    try { localStorage.setItem(KEY, next) } catch { /* storage is switched off: this tab still changes */ }
    setTheme(next)
  }
  return html`<button type="button" class="button icon-button" aria-label="Theme: ${theme}" title="Theme: ${theme}. Click for ${next}." onClick=${change}>
    <${Icon} name=${icon} />
  </button>`
}

function SignOutButton({who}) {
  const [leaving, setLeaving] = useState(false)
  const signOut = async () => {
    setLeaving(true)
    try { await fetch(new URL("api/session", document.baseURI), {method: "DELETE"}) } catch { /* the page asks again */ }
    location.reload()
  }
  return html`<button type="button" class="button icon-button" aria-label="Sign out" title="Signed in as ${who}. Click to sign out." disabled=${leaving} onClick=${signOut}>
    <${Icon} name="sign-out" />
  </button>`
}

function Toolbar({model}) {
  const {total, refreshing, notice, who, signed_out} = useModel(model, ["total", "refreshing", "notice", "who", "signed_out"])
  useEffect(() => { if (signed_out) location.reload() }, [signed_out]) // the server answers with the form to sign in
  return html`
    <div class="toolbar">
      <span class="brand"><${Icon} name="briefcase" /></span>
      <div class="title"><h1>Jobs</h1><p>Monitor background jobs and their progress</p></div>
      <span class="count" data-testid="jobs-count">${total === null ? "" : count(total, "job")}</span>
      ${who && html`<${SignOutButton} who=${who} />`}
      <${ThemeButton} />
      <button type="button" class="button refresh" aria-label="Refresh jobs" disabled=${refreshing} onClick=${() => model.send_msg({kind: "refresh"})}>
        <${Icon} name="refresh" className=${refreshing ? "spin" : ""} /><span class="wide">Refresh</span>
      </button>
    </div>
    <div role="status" aria-live="polite">
      ${notice && html`<p class="notice" data-testid="feed-notice"><${Icon} name="alert" />${notice}</p>`}
    </div>`
}

export function render({model, view}) {
  watchServer(view.model.document)
  const tell = ({selected}) => {
    document.getElementById("jobs-page").toggleAttribute("data-selected", selected !== null)
    model.send_msg({kind: "select", job_id: selected})
  }
  selection.watch(tell)
  tell(selection.get())
  draw(html`<${Toolbar} model=${model} />`, "toolbar")
}
