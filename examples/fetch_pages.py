"""An async job: fetch many pages at once, a few at a time, and tell what came of each.

PREFECT_API_URL=http://127.0.0.1:4200/api python examples/fetch_pages.py http://127.0.0.1:8000/healthz
"""

import asyncio
import sys
import time

import httpx

from prefect_jobs import checkpoint, job, progress, step

AT_ONCE = 5


@job("fetch_pages", title="Fetch pages", description="Fetch pages, and tell the status, size and time of each")
async def fetch_pages(urls: list[str], timeout: float = 10.0) -> dict[str, object]:
    """Fetch pages.

    Args:
        urls: The addresses of the pages.
        timeout: Seconds that one page may take.
    """
    some = asyncio.Semaphore(AT_ONCE)
    done = 0

    async def fetch(client: httpx.AsyncClient, url: str) -> dict[str, object]:
        nonlocal done
        async with some:
            checkpoint()  # no new page is begun once the job shall stop
            began = time.monotonic()
            try:
                answer = await client.get(url)
                told: dict[str, object] = {"status": answer.status_code, "bytes": len(answer.content)}
            except httpx.HTTPError as error:  # one bad page is a result, not the end of the job
                told = {"error": str(error) or type(error).__name__}
        done += 1
        progress(done, len(urls), f"Fetched page {done}/{len(urls)}")
        return {"url": url, "seconds": round(time.monotonic() - began, 3), **told}

    with step("Fetching pages"):
        async with httpx.AsyncClient(timeout=timeout, follow_redirects=True) as client:
            pages = await asyncio.gather(*(fetch(client, url) for url in urls))
    return {"pages": pages, "failed": sum("error" in page for page in pages)}


if __name__ == "__main__":
    asyncio.run(fetch_pages(sys.argv[1:]))
