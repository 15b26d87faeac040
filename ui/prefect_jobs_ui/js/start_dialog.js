// A new job: its type, a form drawn from the type's parameters, and when it is to begin. "Run again with changes" is the
// same form, filled in from another job.
import {html} from "htm/preact"
import {useEffect, useMemo, useRef, useState} from "preact/hooks"
import {go} from "./address.js"
import {ask, jobPath} from "./api.js"
import {Dialog, Ring} from "./dialog.js"
import {loadTypes, typeLabel, types} from "./job_types.js"
import {closeDialog, say} from "./overlay.js"
import {Field} from "./schema_fields.js"
import {fieldsOf, parametersOf} from "./schema_form.js"
import {useStore} from "./store.js"
import {t} from "./texts.js"

const textsOf = (fields) => Object.fromEntries(fields.map(({name, value}) => [name, value]))

// Errors of the server by the field they belong to (`body.parameters.<field>`); the rest is said below the form.
export function sortErrors(errors, names) {
  const byField = {}
  const rest = []
  for (const {field, message} of errors) {
    const name = /^body\.parameters\.([^.]+)/.exec(field)?.[1]
    if (name !== undefined && names.includes(name)) byField[name] ??= message
    else rest.push(message)
  }
  return {byField, rest}
}

function Form({type, given, like, busy, refused, onStart, onClose}) {
  const [deployment, setDeployment] = useState("")
  const runsAs = type.deployments.find(({name}) => name === deployment) ?? type.deployments[0]
  const fields = useMemo(() => fieldsOf(type.parameter_schema, given, runsAs?.parameters), [type, given, runsAs])
  const [typed, setTyped] = useState({})
  const texts = {...textsOf(fields), ...typed}
  const [touched, setTouched] = useState({})
  const [tried, setTried] = useState(false)
  const [at, setAt] = useState("")
  const form = useRef(null)
  const {parameters, errors, like: keeps} = parametersOf(fields, texts)
  const {byField, rest} = sortErrors(refused.errors ?? [], fields.map(({name}) => name))
  const known = Object.keys(type.parameter_schema?.properties ?? {})
  const dropped = Object.keys(given).filter((name) => !known.includes(name))
  const late = at !== "" && new Date(at).getTime() <= Date.now() ? t("invalid.past") : ""
  const wrong = Object.keys(errors).length + (late ? 1 : 0)
  const type_in = (name) => (text) => { setTyped({...typed, [name]: text}); setTouched({...touched, [name]: true}); delete byField[name] }
  const submit = (event) => {
    event.preventDefault()
    setTried(true)
    if (wrong) {
      form.current.querySelector(`[name="${CSS.escape(Object.keys(errors)[0] ?? "run_at")}"]`)?.focus()
      return
    }
    setTouched({})
    onStart({job_type: type.name, parameters, deployment: deployment || null, run_at: at ? new Date(at).toISOString() : null, ...(keeps ? {like} : {})})
  }
  return html`<form ref=${form} onSubmit=${submit} noValidate=${true}>
    <p class="quiet type-help">${type.description}</p>
    ${!type.can_start && html`<p class="warning" role="alert">${t("start.cannot")}</p>`}
    ${fields.length === 0 && html`<p class="quiet">${t("start.no-parameters")}</p>`}
    ${fields.map((field) => html`<${Field} key=${field.name} field=${field} text=${texts[field.name]} onText=${type_in(field.name)}
      error=${(tried || touched[field.name] ? errors[field.name] : "") || (touched[field.name] ? "" : byField[field.name])} />`)}
    ${dropped.length > 0 && html`<p class="dialog-note">${t("start.dropped", {names: dropped.join(", ")})}</p>`}
    <details class="more-options" open=${at !== "" || deployment !== ""}><summary>${t("start.when")}</summary>
      <div class="field"><label for="run-at">${t("start.at")}</label><input id="run-at" name="run_at" class="input" type="datetime-local" value=${at} onInput=${(event) => setAt(event.target.value)} aria-invalid=${late ? "true" : null} aria-describedby="run-at-error" />
        <p class="problem" id="run-at-error">${late}</p></div>
      ${type.deployments.length > 1 && html`<div class="field"><label for="deployment">${t("start.deployment")}</label>
        <select id="deployment" class="input" value=${deployment} onChange=${(event) => setDeployment(event.target.value)}><option value="">${t("start.unset")}</option>${type.deployments.map(({name}) => html`<option key=${name}>${name}</option>`)}</select></div>`}
    </details>
    <p class="problem" role="alert">${tried && wrong ? t("invalid.some", {n: wrong}) : rest.join(" ") || (Object.keys(byField).length ? t("invalid.some", {n: Object.keys(byField).length}) : refused.message ?? "")}</p>
    <div class="dialog-buttons">
      <button type="button" class="button" disabled=${busy} onClick=${onClose}>${t("confirm.dismiss")}</button>
      <button type="submit" class="button green-solid" disabled=${busy || !type.can_start}>${busy && html`<${Ring} />`}${t(busy ? "start.busy" : "start.do")}</button>
    </div></form>`
}

// `like` is the id of a job whose parameters the form begins with.
export function StartDialog({like = null}) {
  const {known, complete, failure} = useStore(types)
  const [name, setName] = useState("")
  const [given, setGiven] = useState({})
  const [ready, setReady] = useState(false)
  const [busy, setBusy] = useState(false)
  const [refused, setRefused] = useState({})
  useEffect(() => {
    let gone = false
    const read = async () => {
      await loadTypes()
      if (like !== null) {
        try {
          const job = await ask(jobPath(like, "/detail"))
          if (gone) return
          setName(job.job_type)
          setGiven(job.metadata.input_params ?? {})
        } catch (error) { if (!gone) setRefused({message: error.message}) }
      }
      if (!gone) setReady(true)
    }
    read()
    return () => { gone = true }
  }, [])
  const type = known.find((one) => one.name === name) ?? (like === null ? known.find((one) => one.can_start) : undefined)
  const start = async (wanted) => {
    setBusy(true)
    setRefused({})
    try {
      const {job_id} = await ask("jobs", {method: "POST", body: wanted})
      closeDialog()
      go({job: job_id, view: ""}, {push: true})
      say(t("start.started"))
    } catch (error) {
      setRefused({message: error.message, errors: error.errors})
      setBusy(false)
    }
  }
  return html`<${Dialog} titleId="start-title" testid="start-dialog" className="wide-dialog" busy=${busy}>${({close}) => html`
    <h2 id="start-title">${t(like === null ? "start.title" : "start.again")}</h2>
    ${!ready || !complete
      ? failure || refused.message ? html`<p class="problem" role="alert">${failure ?? refused.message}</p>` : html`<p role="status"><${Ring} /> ${t("start.loading")}</p>`
      : !type ? html`<p class="warning" role="alert">${refused.message ?? t("start.none")}</p>`
      : html`<div class="field"><label for="job-type">${t("start.type")}</label>
          <select id="job-type" class="input" data-first-focus value=${type.name} onChange=${(event) => { setName(event.target.value); setGiven({}); setRefused({}) }}>
            ${known.map((one) => html`<option key=${one.name} value=${one.name} disabled=${!one.can_start}>${typeLabel(one.name)}</option>`)}</select></div>
        <${Form} key=${type.name} type=${type} given=${given} like=${like} busy=${busy} refused=${refused} onStart=${start} onClose=${close} />`}
    ${(!ready || !complete || !type) && html`<div class="dialog-buttons"><button type="button" class="button" data-first-focus onClick=${close}>${t("close")}</button></div>`}`}<//>`
}
