// What the API tells of one job beyond its card: its detailed form and its history. Read when the job is chosen, again
// when it changes its state, a moment later when it changes otherwise (a receipt comes after the end), and now and then
// while it waits or runs, for the reason and the estimate of its end.
import {useEffect, useRef, useState} from "preact/hooks"
import {ask, jobPath} from "./api.js"
import {isStopping} from "./job_actions.js"

const SETTLE_MS = 150 // a state that was left at once is not asked for
const ESTIMATE_MS = 10000
const WAITING_MS = 5000 // why a job waits changes without a change of the job: a worker comes, another job ends
const AGAIN_MS = 5000
// A job at work changes with each step of its progress: its changes are read at most this often, those of one that
// stops or has ended at once, as far as readings allow.
const CHANGES_MS = 5000
const CHANGES_AT_THE_END_MS = 500

// `every` tells how long after a reading to read again by itself, 0 for never; `changes` how long after a reading one
// that `version` asks for may begin.
function useAsked(path, key, {version, every, changes}) {
  const [found, setFound] = useState({data: null, failure: null, at: 0})
  const first = useRef(true)
  const changed = useRef(null)
  useEffect(() => {
    const stop = new AbortController()
    let timer = 0
    let begun = 0
    let isAsked = true
    const read = async () => {
      let next = every
      begun = Date.now()
      isAsked = false
      try {
        const data = await ask(path, {signal: stop.signal})
        setFound({data, failure: null, at: Date.now()})
      } catch (error) {
        if (stop.signal.aborted) return
        setFound((known) => ({...known, failure: error.message}))
        next = error.status === 404 ? 0 : AGAIN_MS
      }
      if (next && !isAsked && !stop.signal.aborted) timer = setTimeout(read, next)
    }
    timer = setTimeout(read, first.current ? 0 : SETTLE_MS)
    first.current = false
    changed.current = () => {
      if (isAsked) return
      isAsked = true
      clearTimeout(timer)
      timer = setTimeout(read, Math.max(SETTLE_MS, begun + changes - Date.now()))
    }
    return () => { stop.abort(); clearTimeout(timer) }
  }, [path, key])
  const known = useRef(version)
  useEffect(() => {
    if (known.current !== version) changed.current()
    known.current = version
  }, [version])
  return found
}

export function useMore(job) {
  const key = [job.status, job.state, job.attempt].join()
  const every = {running: ESTIMATE_MS, pending: WAITING_MS}[job.status] ?? 0
  const changes = every && !isStopping(job) ? CHANGES_MS : CHANGES_AT_THE_END_MS
  const detail = useAsked(jobPath(job.job_id, "/detail"), key, {version: job.version, every, changes})
  const history = useAsked(jobPath(job.job_id, "/history"), key, {version: job.version, every: 0, changes})
  return {detail, history}
}
