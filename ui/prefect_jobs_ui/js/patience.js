// Nobody waits for ever in front of a window that is busy: what is not answered at all is given up.
import {t} from "./texts.js"

const PATIENCE_MS = 30_000

export const within = (signal) => AbortSignal.any([AbortSignal.timeout(PATIENCE_MS), ...(signal ? [signal] : [])])

export const awayText = (error) => t(error.name === "TimeoutError" ? "api.late" : "api.away")
