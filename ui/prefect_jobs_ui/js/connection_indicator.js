// Whether new lines arrive (contract of the page, 4.5). A failed one is a button that tries again.
import {html} from "htm/preact"

const LABELS = {connected: "Live", connecting: "Connecting", reconnecting: "Reconnecting", disconnected: "Offline", failed: "Failed"}

export function indicator({state, attempt}, hasRetry) {
  const label = state === "reconnecting" && attempt ? `${LABELS[state]} (${attempt}/5)` : LABELS[state]
  return {label, acts: state === "failed" && hasRetry, pulses: state === "connected"}
}

export function ConnectionIndicator({connection, onRetry}) {
  const {label, acts, pulses} = indicator(connection, Boolean(onRetry))
  const {state} = connection
  const retry = () => { if (acts) onRetry() }
  const key = (event) => {
    if (event.key !== "Enter" && event.key !== " ") return
    event.preventDefault()
    retry()
  }
  return html`<span class="indicator ${state}" data-testid="connection-indicator" title=${acts ? "Log streaming failed. Click to try again." : "Log streaming"}
    role=${acts ? "button" : "status"} tabindex=${acts ? "0" : null} aria-live="polite" onClick=${retry} onKeyDown=${acts ? key : null}>
    <span class="dot ${pulses ? "pulse" : ""}" data-testid="connection-dot" aria-hidden="true"></span>
    <span>${label}</span><span class="sr-only"> (log streaming ${state}${acts ? ", press to retry" : ""})</span>
  </span>`
}
