"""The nouns of the project: sample, status, tag, scan, clock.  Nothing here knows a protocol, a file or SQL."""
