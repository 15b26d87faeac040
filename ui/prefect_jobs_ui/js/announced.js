// A live region for what is read out. Numbers tick for the eye: a text is said again when other words come, or a new
// `step` of it, and not for each number.
import {html} from "htm/preact"
import {useRef} from "preact/hooks"

export function Announced({text, step = 0}) {
  const said = useRef({text: "", gist: ""})
  const gist = `${step} ${text.replace(/\d[\d.,]*/g, "")}`
  if (gist !== said.current.gist) said.current = {text, gist}
  return html`<span class="sr-only" role="status">${said.current.text}</span>`
}
