// One field of a form: its label, its control, its help and what is wrong with it.
import {html} from "htm/preact"
import {limitsOf, toText} from "./schema_form.js"
import {t} from "./texts.js"

const label = (value) => (value === null ? "null" : typeof value === "string" ? value : JSON.stringify(value))

function Control({field, text, onText, ...named}) {
  const {kind, schema, required, kept} = field
  const input = {...named, value: text, onInput: (event) => onText(event.target.value)}
  const concealed = field.secret ? " concealed" : ""
  const unseen = kept && text === "" ? t("start.kept") : null
  if (kind === "choice" || kind === "boolean") {
    const options = kind === "boolean" ? [["true", t("start.yes")], ["false", t("start.no")]] : (schema.enum ?? [schema.const]).map((value) => [JSON.stringify(value), label(value)])
    return html`<select ...${input} class="input">
      ${(!required || text === "") && html`<option value="">${t("start.unset")}</option>`}
      ${options.map(([value, words]) => html`<option key=${value} value=${value}>${words}</option>`)}</select>`
  }
  if (kind === "json") return html`<textarea ...${input} class="input mono${concealed}" rows=${Math.min(8, Math.max(2, text.split("\n").length))} spellcheck=${false} autocomplete="off" placeholder=${unseen ?? t("start.json-hint")}></textarea>`
  if (kind === "list") return html`<textarea ...${input} class="input${concealed}" rows=${Math.min(8, Math.max(2, text.split("\n").length))} autocomplete="off" placeholder=${unseen ?? t("start.lines")}></textarea>`
  // An input has one line, and a browser drops the ends of the others.
  if (kind === "text" && text.includes("\n")) return html`<textarea ...${input} class="input" rows=${Math.min(8, text.split("\n").length)} spellcheck=${false}></textarea>`
  const paste = (event) => {
    const pasted = event.clipboardData.getData("text/plain").replaceAll("\r\n", "\n").replace(/\n$/, "")
    if (kind !== "text" || !pasted.includes("\n")) return
    event.preventDefault()
    onText(text.slice(0, event.target.selectionStart) + pasted + text.slice(event.target.selectionEnd))
  }
  const types = {integer: "text", number: "text", time: "datetime-local", date: "date", secret: "password", text: "text"}
  const standard = (kind === "integer" || kind === "number") && text === "" ? toText(field, field.default) : null // what runs then
  return html`<input ...${input} placeholder=${unseen ?? standard} class="input" type=${types[kind]} onPaste=${paste} inputmode=${kind === "integer" ? "numeric" : kind === "number" ? "decimal" : null} step=${kind === "time" ? "1" : null} autocomplete=${kind === "secret" ? "new-password" : "off"} spellcheck=${false} />`
}

export function Field({field, text, error, onText}) {
  const {name, required, help} = field
  const id = `parameter-${name}`
  const hints = [help, limitsOf(field), field.kept ? t(`start.kept.${field.kept}`) : ""].filter(Boolean).join(" ")
  return html`<div class="field">
    <label for=${id}>${field.label}${required && html`<span class="required" aria-hidden="true"> *</span>`}</label>
    <${Control} field=${field} text=${text} onText=${onText} id=${id} name=${name} required=${required && !field.kept} aria-invalid=${error ? "true" : null} aria-describedby="${id}-help ${id}-error" />
    <p class="field-help" id="${id}-help">${hints}</p>
    <p class="problem" id="${id}-error">${error ?? ""}</p>
  </div>`
}
