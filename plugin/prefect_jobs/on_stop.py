"""What a worker that is told to stop does with the jobs it runs. The command line and the settings offer it, the worker
does it, and none of the three needs to load the others for the words."""

from typing import Literal

OnStop = Literal["finish", "hand-back", "stop"]
"""Wait for their end; end them and queue them again; end them as crashed."""
