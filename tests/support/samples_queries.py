"""Queries that name ``samples``: those that can only touch some of it, and those for which that cannot be told."""

from __future__ import annotations

_NARROWED = """
select * from samples where tag = 'FIC101.PV';
select time, value from samples where tag = 'FIC101.PV' and time < '2026-11-22 00:00:10+00';
from samples where 'FIC101.PV' = tag and '2026-11-22 00:00:10' < time;
select tag, max(value) from samples where tag in ('FIC101.PV', 'NONE', null) group by tag;
select * from samples where tag like 'FIC%' and tag not like '%102%';
select * from samples where tag glob 'XV*' or lower(tag) = 'batch.id';
select * from samples where not (tag = 'FIC101.PV') and not tag ilike 'fic%';
select * from samples where tag = 'NONE';
select * from samples s where s.tag = 'AI "1"''s' and S.TIME > date '2026-11-22';
select "time", "value" from "samples" "x y" where "x y"."tag" = 'XV101.OPEN';
select value_text, count(*) from samples where tag = 'XV101.OPEN' group by all;
select samples from samples where samples.tag = 'BATCH.ID' and time < timestamp '2026-11-22 00:00:05';
select columns('v.*') from samples where tag = 'FQ101.TOTAL';
select * exclude (tag) from samples where tag = 'FQ101.TOTAL' and time = '2026-11-22 00:00:05Z';
select * from samples where tag = 'FIC101.PV' order by time desc limit 3;
select s.*, t.units from samples s join tags t using (tag) where t.source = 'boiler' and tag = 'FIC101.PV';
select s.time, t.units from samples s join tags t on s.tag = t.tag and s.time < '2026-11-22 00:00:03Z';
select t.tag, s.value from tags t left join samples s on s.tag = t.tag and s.tag = 'FIC101.PV' and s.time <
    '2026-11-22 00:00:03Z';
select t.tag, s.value from tags t left join samples s on s.tag = t.tag where s.tag = 'FIC101.PV';
select t.tag, s.value from samples s right join tags t using (tag) where s.time < '2026-11-22 00:00:02Z';
select s.value, t.tag from samples s full join tags t on s.tag = t.tag and t.source = 'mixer' where s.tag =
    'BATCH.ID';
select s.value from samples s left join sources o on o.source = s.tag where s.tag = 'BATCH.ID' and time >
    '2026-11-22';
with x as (select * from samples where tag = 'FIC101.PV') select count(*) from x a join x b using (time);
select a.value - b.value from samples a join samples b on a.time = b.time where a.tag = 'FIC101.PV' and b.tag
    = 'FIC102.PV';
select 1 from samples where tag = 'FIC101.PV' union all select 2 from samples where tag = 'FIC102.PV';
select tag, (select max(time) from samples i where i.tag = 'FIC101.PV') from samples where tag = 'FIC102.PV';
select tag from tags t where exists (from samples s where s.tag = t.tag and s.tag = 'FIC102.PV');
select lower(tag) as tag, value from samples where tag = 'FIC101.PV';
select time + interval 1 hour as time from samples where time < '2026-11-22 00:00:05Z';
select tag, value from samples where tag = 'FIC101.PV' and random() < 2;
select count(*) from samples where time >= now() - interval 100 year and tag = 'FIC101.PV';
select count(*) from samples where time < now() and tag = 'FIC101.PV';
select b.time, s.tag from (values (timestamptz '2026-11-22 00:00:05Z')) b(time), samples s where s.time =
    b.time and s.tag = 'FIC101.PV';
select min(time), max(time) from samples where tag = 'FIC101.PV' and time::varchar > '';
select quality, status, status_code, substituted from samples where tag = 'FIC101.PV'
"""

_NOT_NARROWED = """
select count(*) from samples;
select * from samples where value > 10;
select * from samples where tag = 'FIC101.PV' or value > 100;
select * from samples where tag = 'FIC101.PV' or random() > 2;
select * from samples where tag = units from tags;
with samples as (select 'x' as tag) select * from samples where tag = 'x';
with samples as (from samples) select * from samples where tag = 'FIC101.PV';
select * from main.samples where tag = 'FIC101.PV';
select * from query('from samples where tag = ''FIC101.PV''') where tag = 'FIC101.PV';
select * from query_table('samples') where tag = 'FIC101.PV';
select * from samples a, samples b where a.tag = 'FIC101.PV' and a.time = b.time;
select * from samples as s(a, b) where a = 'FIC101.PV';
select * from tags anti join samples using (tag) where tag = 'FIC101.PV';
select t.tag, s.value from samples s right join tags t on s.tag = t.tag and t.tag = 'FIC101.PV';
select t.tag, s.tag from tags t left join samples s on s.tag = t.tag and s.value > 50 where s.tag is null;
select t.tag, s.tag from tags t left join samples s on s.tag = t.tag and s.value > 50 where coalesce(s.tag,
    'FIC101.PV') = 'FIC101.PV';
select * from (describe samples) d;
select * from (summarize samples) d where column_name = 'tag';
select * from samples pivot (count(*) for tag in ('FIC101.PV'));
pivot samples on tag using count(*);
select * from samples where tag in (select tag from tags where source = 'boiler');
select * from snapshot where tag = 'FIC101.PV';
select tag, samples from averages;
select * from samples positional join tags;
select * from samples natural join tags where tag = 'FIC101.PV';
select * from samples where time < now() - (now() - timestamptz '2026-11-22 00:00:05Z');
select * from samples where (tag, time) = ('FIC101.PV', timestamptz '2026-11-22');
select a.time, b.value from samples a asof join samples b on a.tag = b.tag and a.time >= b.time where a.tag =
    'FIC101.PV' and b.tag = 'FIC101.PV' and b.time < '2026-11-22 00:00:10Z';
select s.tag from samples s semi join tags t on s.tag = t.tag where s.tag = 'FIC101.PV';
select * from samples where tag = 'FIC101.PV' and value > 1 or false
"""

NARROWED = tuple(map(str.strip, _NARROWED.split(";\n")))
NOT_NARROWED = tuple(map(str.strip, _NOT_NARROWED.split(";\n")))
