// Where a job's lines come from. While it lives: the log socket, which replays what is stored and then follows. Once it
// has ended: the stored pages. Between the two, the socket stays until it says that every line is here.
const PAGE = 5000
const CONNECT_MS = 10000
const ATTEMPTS = 5
const LAST_LINES_MS = 10000

// The wait before reconnect attempt n (1..5) in milliseconds (contract 9.3).
export const backoff = (attempt, random = Math.random()) => Math.min(1000 * 2 ** (attempt - 1), 30000) * (1 + random / 4)

// What the indicator shows after a lost or failed connection.
export const afterLoss = (attempt) => (attempt >= ATTEMPTS ? {state: "failed", attempt} : {state: "reconnecting", attempt: attempt + 1})

export class LogSource {
  // `onLines(lines)`, `onConnection({state, attempt})`, `onLoading(flag)`; `after()` is the last line's number.
  constructor(jobId, {after, onLines, onConnection, onLoading}) {
    Object.assign(this, {jobId, after, onLines, onConnection, onLoading})
    this.connection = {state: "disconnected", attempt: 0}
    this.live = null
    this.closed = false
  }

  setLive(live) {
    if (live === this.live) return
    const followed = this.live
    this.live = live
    clearTimeout(this.ending)
    if (live) this.connect(0)
    else if (followed && this.socket) this.ending = setTimeout(() => this.finish(), LAST_LINES_MS)
    else this.finish()
  }

  retry() {
    if (this.connection.state === "failed") this.connect(0)
  }

  close() {
    this.closed = true
    this.drop()
    clearTimeout(this.ending)
    this.reading?.abort()
  }

  // The job has ended and the socket has told all, or was given up: what it did not tell is read from the store.
  async finish() {
    clearTimeout(this.ending)
    this.drop()
    this.say({state: "disconnected", attempt: 0})
    this.onLoading(true)
    this.reading?.abort()
    this.reading = new AbortController()
    try {
      for (let more = true; more && !this.live;) {
        const address = new URL(`api/jobs/${encodeURIComponent(this.jobId)}/logs`, document.baseURI)
        address.search = new URLSearchParams({after: this.after(), limit: PAGE})
        const answer = await fetch(address, {signal: this.reading.signal})
        if (!answer.ok) break
        const {logs, has_more} = await answer.json()
        this.onLines(logs)
        more = has_more && logs.length > 0
      }
    } catch { /* the feed's notice tells that the API is away; selecting the job again reads again */ }
    if (!this.closed) this.onLoading(false)
  }

  say(connection) {
    this.connection = connection
    if (!this.closed) this.onConnection(connection)
  }

  drop() {
    clearTimeout(this.waiting)
    clearTimeout(this.opening)
    const socket = this.socket
    this.socket = null
    socket?.close()
  }

  connect(attempt) {
    this.drop()
    const address = new URL(`ws/jobs/${encodeURIComponent(this.jobId)}/logs?after=${this.after()}`, document.baseURI)
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:"
    const socket = new WebSocket(address)
    this.socket = socket
    this.say(attempt ? {state: "reconnecting", attempt} : {state: "connecting", attempt})
    this.opening = setTimeout(() => socket.close(), CONNECT_MS)
    socket.onopen = () => {
      clearTimeout(this.opening)
      attempt = 0
      this.say({state: "connected", attempt: 0})
    }
    socket.onmessage = ({data}) => { if (this.socket === socket) this.hear(data) }
    socket.onclose = () => {
      if (this.socket !== socket) return
      this.socket = null
      clearTimeout(this.opening)
      if (!this.live) {
        this.finish()
        return
      }
      const next = afterLoss(attempt)
      this.say(next)
      if (next.state === "reconnecting") this.waiting = setTimeout(() => this.connect(next.attempt), backoff(next.attempt))
    }
  }

  hear(data) {
    let frame
    try { frame = JSON.parse(data) } catch { return }
    if (frame?.type === "log" && frame.data) this.onLines([frame.data])
    else if (frame?.type === "ping") this.socket.send('{"type":"pong"}')
    else if (frame?.type === "position" && frame.complete && !this.live) this.finish()
  }
}
