// A filter of the page as parameters of the search (contract 4.4): failed means not cancelled, as in the list.
const FAILED_STATES = "failed,crashed,timed_out"

export function searchOf({q, status, type}) {
  const said = {}
  if (q.trim()) said.q = q.trim()
  if (status) said.status = status
  if (status === "failed") said.state = FAILED_STATES
  if (type) said.job_type = type
  return said
}
