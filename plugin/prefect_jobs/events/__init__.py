"""The event store: cameras, their events and what was detected in them, in any database SQLAlchemy speaks.

Application data, not Prefect's: job types read and write it, the jobs API only offers the files made from it.
"""

from prefect_jobs.events.database import EventStore, open_event_store
from prefect_jobs.events.models import Camera, Detection, Event

__all__ = ["Camera", "Detection", "Event", "EventStore", "open_event_store"]
