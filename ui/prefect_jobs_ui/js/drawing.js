// The three parts draw into the page's own elements, not into the boxes Bokeh makes for them: one stylesheet serves
// the rows the server painted and the rows drawn here, and the landmarks of the page stay in one tree.
import {render} from "preact"
import {html} from "htm/preact"

export function draw(node, id) {
  const place = document.getElementById(id)
  if (!("drawn" in place.dataset)) {
    place.replaceChildren()
    place.dataset.drawn = ""
  }
  render(node, place)
}

export const Icon = ({name, className = ""}) =>
  html`<svg class="icon ${className}" aria-hidden="true"><use href="#i-${name}" /></svg>`

export const Spinner = () => html`<${Icon} name="status-running" className="spin" />`

// On paper a box is as tall as what is drawn in it, so its height does not tell how much to draw.
export const paper = matchMedia("print")
