"""Read an application's fleet from the platform: page by page, under the call budget, resumable at any moment.

All of it, or only what is new. The platform filters devices by the time of their registration and by nothing that
changes: so what is new are devices registered since the last reading, and the members of groups whose size changed;
status, location and what is gone are seen by a reading of all.
"""

from .turns import cancel, go_on, read, since_of, start

__all__ = ["cancel", "go_on", "read", "since_of", "start"]
