"""The fault kit: real servers, a proxy that spoils connections, crashes, and schedules of all of them at once."""
