"""Which tags deserve a look: never heard of, silent, changing too much, with times that cannot be.

What archivers of large plants report every morning.  Macros of plain SQL over the views (:mod:`.views`), and no views,
because DuckDB looks through all files of the archive when it makes a view over ``samples``.  The historian's own
figures, which would lead the lists of what is silent, are left out there.
"""

from __future__ import annotations

from typing import Final

REPORTS: Final = ("never_connected", "silent_longest", "most_changing", "refused")

# Two kinds: nothing was ever heard of the tag, or its device says that there is no such address.
_NEVER_CONNECTED: Final = """
create macro never_connected() as table
select tag, source, address, scan_class, status, valid_from as since
from tags left join snapshot using (tag)
where (last_scan is null or status in ('BadNodeIdUnknown', 'BadNodeIdInvalid', 'BadConfigurationError'))
    and source <> '' and tag not like 'historian.%'
order by tag"""

_SILENT_LONGEST: Final = """
create macro silent_longest() as table
select tag, source, last_scan, epoch(now() - last_scan) as seconds, status
from tags join snapshot using (tag)
where last_scan is not null and tag not like 'historian.%'
order by last_scan, tag"""

_MOST_CHANGING: Final = """
create macro most_changing(hours := 24) as table
select tag, count(*) as samples, count(*) / greatest(epoch(now() - min(time)) / 3600, 1 / 60) as samples_per_hour
from samples
where time > now() - to_hours(hours::bigint)
group by tag
order by samples_per_hour desc, tag"""

_REFUSED: Final = """
create macro refused() as table
select tag, reason, sum(samples)::bigint as samples, min(first) as first, max(last) as last, max(seen) as seen
from _refused join _tag_numbers using (tag_id)
group by tag, reason
order by samples desc, tag, reason"""

STATEMENTS: Final = (_NEVER_CONNECTED, _SILENT_LONGEST, _MOST_CHANGING, _REFUSED)
"""When asked they need the views ``tags``, ``snapshot``, ``samples`` and the tables ``_refused``, ``_tag_numbers``."""
