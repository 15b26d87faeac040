// The bulk operations that this tab began, followed also while no window shows them: the server works on either way, and
// who closed the window must find the receipt. They survive a reload, and go when their receipt was looked at.
import {ask} from "./api.js"
import {createStore} from "./store.js"

const KEPT = "prefect-jobs.bulk"
const LOOK_MS = 400
export const PAGE = 100 // items of a receipt that are read at once

// `operations` are as the API tells them, each with the `failure` of the last look at it.
export const bulkRuns = createStore({operations: []})

function put(operations) {
  bulkRuns.set({operations})
  try { sessionStorage.setItem(KEPT, JSON.stringify(operations)) } catch { /* storage is switched off */ }
}

const take = (id, said) => put(bulkRuns.get().operations.map((known) => (known.operation_id === id ? {...known, failure: "", ...said} : known)))

export const dismiss = (id) => put(bulkRuns.get().operations.filter(({operation_id}) => operation_id !== id))
export const runOf = (id) => bulkRuns.get().operations.find(({operation_id}) => operation_id === id)
export const isOver = ({state}) => state !== "running"

async function follow(id) {
  while (runOf(id) && !isOver(runOf(id))) {
    try {
      take(id, await ask(`jobs/bulk/${id}`, {query: {limit: PAGE}}))
    } catch (error) {
      if (error.status === 404) dismiss(id)
      else take(id, {failure: error.message})
    }
    await new Promise((done) => setTimeout(done, LOOK_MS))
  }
}

// Does to the previewed jobs what was previewed. Answers the operation's id.
export async function beginRun(action, {token, count}) {
  const {operation_id: id} = await ask("jobs/bulk", {method: "POST", body: {action, token}})
  put([...bulkRuns.get().operations, {operation_id: id, action, state: "running", total: count, waiting: count, done: 0, refused: 0, failed: 0, progress: 0, items: [], failure: ""}])
  follow(id)
  return id
}

export const stopRun = (id) => ask(`jobs/bulk/${id}`, {method: "DELETE"}).then((said) => take(id, said), (error) => take(id, {failure: error.message}))

export function resumeRuns() {
  try { bulkRuns.set({operations: JSON.parse(sessionStorage.getItem(KEPT)) ?? []}) } catch { /* nothing is kept */ }
  for (const {operation_id} of bulkRuns.get().operations) follow(operation_id)
}
