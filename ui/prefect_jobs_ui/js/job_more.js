// What the API tells of one job beyond its card: its detailed form and its history. Read when the job is chosen, again
// when it changes its state, and now and then while it waits or runs, for the reason and the estimate of its end.
import {useEffect, useRef, useState} from "preact/hooks"
import {ask, jobPath} from "./api.js"

const SETTLE_MS = 150 // a state that was left at once is not asked for
const ESTIMATE_MS = 10000
const WAITING_MS = 5000 // why a job waits changes without a change of the job: a worker comes, another job ends
const AGAIN_MS = 5000
const RECEIPT_MS = 2500 // a crash that the worker told gets the receipt of its sidecar a moment later

// `pause` tells how long after the nth reading to read again, 0 for never.

function useAsked(path, key, pause) {
  const [found, setFound] = useState({data: null, failure: null, at: 0})
  const first = useRef(true)
  useEffect(() => {
    const stop = new AbortController()
    let timer = 0
    let readings = 0
    const read = async () => {
      let next = pause(readings += 1)
      try {
        const data = await ask(path, {signal: stop.signal})
        setFound({data, failure: null, at: Date.now()})
      } catch (error) {
        if (stop.signal.aborted) return
        setFound((known) => ({...known, failure: error.message}))
        next = error.status === 404 ? 0 : AGAIN_MS
      }
      if (next && !stop.signal.aborted) timer = setTimeout(read, next)
    }
    timer = setTimeout(read, first.current ? 0 : SETTLE_MS)
    first.current = false
    return () => { stop.abort(); clearTimeout(timer) }
  }, [path, key])
  return found
}

export function useMore(job) {
  const key = [job.status, job.state, job.attempt].join()
  const every = {running: ESTIMATE_MS, pending: WAITING_MS}[job.status] ?? 0
  const detail = useAsked(jobPath(job.job_id, "/detail"), key, () => every)
  const history = useAsked(jobPath(job.job_id, "/history"), key, (nth) => (job.state === "crashed" && nth === 1 ? RECEIPT_MS : 0))
  return {detail, history}
}
