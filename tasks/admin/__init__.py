"""The auditors' view: everything readable, nothing changeable; applications are managed by admins."""

from . import applications, audit, catalogue, composing
from .base import ReadOnly

__all__ = ["ReadOnly", "applications", "audit", "catalogue", "composing"]
