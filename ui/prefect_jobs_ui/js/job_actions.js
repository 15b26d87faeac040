// What can be done to a job: which buttons its status offers, what each asks of the API, and the row of buttons.
import {html} from "htm/preact"
import {address, go} from "./address.js"
import {ask, jobPath, rights} from "./api.js"
import {Icon} from "./drawing.js"
import {openDialog, say} from "./overlay.js"
import {createStore, useStore} from "./store.js"
import {t} from "./texts.js"

export const ICONS = {cancel: "cancel", abort: "ban", retry: "refresh", delete: "trash"}
const OFFERED = {running: ["cancel", "abort"], completed: ["delete"], failed: ["retry", "delete"]}
const CALLS = {
  cancel: (id) => ask(jobPath(id, "/cancel"), {method: "POST"}),
  abort: (id) => ask(jobPath(id, "/abort"), {method: "POST"}),
  retry: (id) => ask(jobPath(id, "/retry"), {method: "POST"}),
  delete: (id) => ask(jobPath(id), {method: "DELETE", query: {purge: true}}),
}

const STOPPING = ["stopping", "aborting", "cancelling"]
export const isStopping = ({state}) => STOPPING.includes(state)

// A flow that runs inside its parent's process ends with that, and not by itself (contract 17, row 5).
export const isOfParent = ({stoppable, status}) => stoppable === "with_parent" && status !== "completed" && status !== "failed"

// The actions of a job, left to right (contract of the page, 4.7). A cancelled job has no retry.
export function actionsOf(job) {
  const {status, state} = job
  const all = OFFERED[status] ?? ["cancel", "delete"]
  const offered = isOfParent(job) ? all.filter((action) => action !== "cancel" && action !== "abort") : all
  return state === "cancelled" || state === "aborted" ? offered.filter((action) => action !== "retry") : offered
}

// What is asked for already: a job that stops can still be aborted, one that is being aborted only waited for.
export const isAsked = (action, job) => (action === "cancel" && isStopping(job)) || (action === "abort" && job.state === "aborting")

// Where Prefect's own page shows the job: an address of the web or none.
export const inPrefect = ({prefect_url: url}) => (/^https?:/.test(url ?? "") ? url : null)

// What is being done to which job now: its buttons rest meanwhile, wherever it was asked.
const underWay = createStore({action: null, id: null})

export async function act(action, job) {
  underWay.set({action, id: job.job_id})
  try {
    await CALLS[action](job.job_id)
  } finally {
    underWay.set({action: null, id: null})
  }
  if (action === "delete" && address.get().job === job.job_id) go({job: ""}, {push: false})
  say(t(`done.${action}`))
}

// Asks first where something would be lost.
export function begin(action, job) {
  if (action !== "retry") openDialog("confirm", {action, job})
  else act("retry", job).catch((error) => say(error.message, "bad"))
}

export function JobActions({job, compact = false}) {
  const {may} = useStore(rights)
  const {action: doing, id} = useStore(underWay)
  const busy = id === job.job_id ? doing : null
  return html`<div class="actions" role="group" data-testid="job-actions">
    ${actionsOf(job).filter(may).map((action) => html`<button key=${action} type="button" class="button ${action}" aria-label=${t(`action.${action}`)}
      disabled=${doing !== null || isAsked(action, job)} title=${isAsked(action, job) ? t("action.stopping") : compact ? t(`action.${action}`) : null} onClick=${() => begin(action, job)}>
      <${Icon} name=${ICONS[action]} className=${busy === action && action === "retry" ? "spin" : ""} />${!compact && html`<span>${t(`action.${action}${busy === action ? ".busy" : ""}`)}</span>`}
    </button>`)}
  </div>`
}
