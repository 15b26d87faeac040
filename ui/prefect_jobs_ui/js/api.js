// The jobs API as the browser asks it itself: same origin, and with the viewer's own session. Every refusal becomes one
// sentence; who is signed out gets the form to sign in.
import {awayText, within} from "./patience.js"
import {createStore} from "./store.js"
import {t} from "./texts.js"

export class ApiError extends Error {
  // `errors` are those of single fields (contract 1.2): {field, message}.
  constructor(message, {status = 0, errors = []} = {}) {
    super(message)
    Object.assign(this, {status, errors})
  }
}

export async function ask(path, {method = "GET", body, query, signal} = {}) {
  const url = new URL(`api/${path}`, document.baseURI)
  for (const [name, value] of Object.entries(query ?? {})) if (value !== "" && value !== null && value !== undefined) url.searchParams.set(name, value)
  const headers = body === undefined ? {} : {"Content-Type": "application/json"}
  let answer
  let said
  try {
    answer = await fetch(url, {method, headers, signal: within(signal), body: body === undefined ? undefined : JSON.stringify(body)})
    said = await answer.json().catch((error) => {
      if (error instanceof SyntaxError) return null // no answer of the API's, or an empty one
      throw error
    })
  } catch (error) {
    if (error.name === "AbortError") throw error
    throw new ApiError(awayText(error))
  }
  if (answer.ok) return said
  if (answer.status === 401) location.reload()
  const errors = said?.error?.errors ?? []
  const message = typeof said?.detail === "string" ? said.detail : errors[0]?.message ?? said?.error?.message ?? t("api.answered", {status: String(answer.status)})
  throw new ApiError(message, {status: answer.status, errors})
}

export async function signOut() {
  try { await fetch(new URL("api/session", document.baseURI), {method: "DELETE"}) } catch { /* the page asks again */ }
  location.reload()
}

export const jobPath = (id, rest = "") => `jobs/${encodeURIComponent(id)}${rest}`

// What the viewer's role may do (contract 16.8); the page hides the rest.
const NEEDS = {start: "operator", cancel: "operator", retry: "operator", abort: "admin", delete: "admin", bulk: "admin"}
const RANKS = ["viewer", "operator", "admin"]
export const mayDo = (role, what) => RANKS.indexOf(role) >= RANKS.indexOf(NEEDS[what])

export const rights = createStore({role: "", may: () => false})
rights.learn = async (role) => {
  const known = (mine) => rights.set({role: mine, may: (what) => mayDo(mine, what)})
  if (role) known(role)
  // The API was away when the page was made: ask until it says who this is.
  for (let pause = 1000; !rights.get().role; pause = Math.min(pause * 2, 15000)) {
    try { known((await ask("session")).role) } catch { await new Promise((done) => setTimeout(done, pause)) }
  }
}
