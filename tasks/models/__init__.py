"""What is kept. The database is the only record; everything else is a bell."""

from .application import Application
from .call import Call
from .callback import Callback
from .catalogue import Danger, Profile, ProfileVersion
from .draft import DeviceList, Draft, Overtaken
from .family import Family, Origin
from .fleet import Census, Device, Group, Membership, Sync
from .heartbeat import Heartbeat
from .history import Attempt, Transition
from .lists import ListVersion, NamedList
from .request import Request
from .result import Result
from .tally import Tally
from .task import Task
from .template import Template, TemplateVersion
from .values import ValueTable

__all__ = [
    "Application",
    "Attempt",
    "Call",
    "Callback",
    "Census",
    "Danger",
    "Device",
    "DeviceList",
    "Draft",
    "Family",
    "Group",
    "Heartbeat",
    "ListVersion",
    "Membership",
    "NamedList",
    "Origin",
    "Overtaken",
    "Profile",
    "ProfileVersion",
    "Request",
    "Result",
    "Sync",
    "Tally",
    "Task",
    "Template",
    "TemplateVersion",
    "Transition",
    "ValueTable",
]
