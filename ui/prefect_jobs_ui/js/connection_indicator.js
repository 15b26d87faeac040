// Whether new lines arrive (contract of the page, 4.5). A failed one is a button that tries again.
import {html} from "htm/preact"
import {t} from "./texts.js"

export function indicator({state, attempt}, hasRetry) {
  const label = state === "reconnecting" && attempt ? t("stream.reconnecting.attempt", {attempt}) : t(`stream.${state}`)
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
  return html`<span class="indicator ${state}" data-testid="connection-indicator" title=${t(acts ? "stream.hint.failed" : "stream.hint")}
    role=${acts ? "button" : "status"} tabindex=${acts ? "0" : null} aria-live="polite" onClick=${retry} onKeyDown=${acts ? key : null}>
    <span class="dot ${pulses ? "pulse" : ""}" data-testid="connection-dot" aria-hidden="true"></span>
    <span>${label}</span><span class="sr-only"> ${t(acts ? "stream.word.acts" : `stream.word.${state}`)}</span>
  </span>`
}
