// Light or dark: as the system says, or as was chosen here once.
import {html} from "htm/preact"
import {useEffect} from "preact/hooks"
import {Icon} from "./drawing.js"
import {createStore, useStore} from "./store.js"
import {t} from "./texts.js"

const KEY = "prefect-jobs.theme"
export const THEMES = {system: {icon: "system", next: "light"}, light: {icon: "sun", next: "dark"}, dark: {icon: "moon", next: "system"}}
const prefersLight = matchMedia("(prefers-color-scheme: light)")

function kept() {
  try {
    const value = localStorage.getItem(KEY)
    return Object.hasOwn(THEMES, value) ? value : "system"
  } catch { return "system" }
}

export const theme = createStore({chosen: kept()})

export function chooseTheme(chosen) {
  try { localStorage.setItem(KEY, chosen) } catch { /* storage is switched off: this tab still changes */ }
  theme.set({chosen})
}

function apply(chosen) {
  const light = chosen === "light" || (chosen === "system" && prefersLight.matches)
  document.documentElement.dataset.theme = light ? "light" : "dark"
}

export function ThemeButton() {
  const {chosen} = useStore(theme)
  useEffect(() => {
    apply(chosen)
    const follow = () => apply(chosen)
    prefersLight.addEventListener("change", follow)
    return () => prefersLight.removeEventListener("change", follow)
  }, [chosen])
  const {icon, next} = THEMES[chosen]
  return html`<button type="button" class="button icon-button" aria-label=${t("theme.name", {theme: t(`theme.${chosen}`)})} title=${t("theme.hint", {theme: t(`theme.${chosen}`), next: t(`theme.${next}`)})} onClick=${() => chooseTheme(next)}>
    <${Icon} name=${icon} />
  </button>`
}
