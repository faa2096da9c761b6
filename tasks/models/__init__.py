"""What is kept. The database is the only record; everything else is a bell."""

from .application import Application
from .call import Call
from .callback import Callback
from .catalogue import Device, Group, Profile
from .draft import DeviceList, Draft
from .family import Family
from .heartbeat import Heartbeat
from .history import Attempt, Transition
from .request import Request
from .result import Result
from .tally import Tally
from .task import Task
from .values import ValueTable

__all__ = [
    "Application",
    "Attempt",
    "Call",
    "Callback",
    "Device",
    "DeviceList",
    "Draft",
    "Family",
    "Group",
    "Heartbeat",
    "Profile",
    "Request",
    "Result",
    "Tally",
    "Task",
    "Transition",
    "ValueTable",
]
