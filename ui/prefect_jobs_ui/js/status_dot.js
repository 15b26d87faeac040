// A dot that says a status by colour and fill (contract of the page, 4.10).
import {html} from "htm/preact"
import {t} from "./texts.js"

const LOOKS = {processing: "running", running: "running", completed: "completed", failed: "failed", cancelled: "cancelled"}

export const StatusDot = ({status, large = false}) => {
  const look = Object.hasOwn(LOOKS, status) ? LOOKS[status] : "waiting"
  return html`<span class="status-dot ${look} ${large ? "large" : ""} ${look === "running" ? "pulse" : ""}" role="img" aria-label=${t("status.name", {status})} data-testid="status-dot"></span>`
}
