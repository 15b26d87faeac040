"""Cameras of incoming events. An export names a camera and tells no id, so ids are found by name, or made."""

import re
from dataclasses import dataclass, field

from sqlalchemy import Connection, insert, select

from prefect_jobs.events.incoming.event_record import IncomingEvent
from prefect_jobs.events.models import Camera
from prefect_jobs.events.selection import UNKNOWN_CAMERA

NO_CAMERA = "unknown"
"""The camera id of an event whose camera the file calls unknown; no record goes with it."""
_ID_LENGTH = 48


@dataclass
class Cameras:
    """The cameras of the store at one moment, and those that events bring with them."""

    names: dict[str, str]
    """By id."""
    ids: dict[str, str]
    """By name."""
    new: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    @classmethod
    def read(cls, connection: Connection) -> "Cameras":
        """The cameras of the store."""
        found = connection.execute(select(Camera.id, Camera.name).order_by(Camera.id.desc())).all()
        return cls({row.id: row.name for row in found}, {row.name: row.id for row in found})

    def id_of(self, event: IncomingEvent) -> str:
        """The id of an event's camera: the one it names, that of its name, or a new one."""
        name = event.camera_name
        if event.camera_id is not None:
            if name is not None and event.camera_id not in self.names and name != UNKNOWN_CAMERA:
                self._add(event.camera_id, name)
            return event.camera_id
        assert name is not None  # a row without either is refused
        if name not in self.ids:
            if name == UNKNOWN_CAMERA:
                return NO_CAMERA
            self._add(self._free_id(name), name)
        return self.ids[name]

    def is_unknown(self, event: IncomingEvent) -> bool:
        """Whether the file calls the event's camera unknown."""
        return event.camera_id is None and event.camera_name == UNKNOWN_CAMERA and UNKNOWN_CAMERA not in self.ids

    def has(self, camera_id: str) -> bool:
        """Whether there is a record of this camera."""
        return camera_id in self.names

    def write_new(self, connection: Connection) -> None:
        """Write the cameras that came with events."""
        if self.new:
            connection.execute(insert(Camera), self.new)

    def _add(self, camera_id: str, name: str) -> None:
        self.names[camera_id] = name
        self.ids.setdefault(name, camera_id)
        self.new.append({"id": camera_id, "name": name})

    def _free_id(self, name: str) -> str:
        stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_ID_LENGTH] or "camera"
        made, number = stem, 1
        while made in self.names or made == NO_CAMERA:
            number += 1
            made = f"{stem}-{number}"
        return made
