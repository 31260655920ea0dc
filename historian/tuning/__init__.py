"""Which deviations suit a tag: what its raw samples say, and what each deviation would save and cost.

The path of a tag: :mod:`.series` its raw samples -> :mod:`.understanding` whether a deviation means anything for it ->
:mod:`.resolution` and :mod:`.noise` what of it is no signal -> :mod:`.trial` some deviations tried on the samples
themselves (:mod:`.size` bytes, :mod:`.error` errors), up to :mod:`.limit` -> :mod:`.proposal` the one to take.  One tag
is in memory at a time; ``cli.tune`` brings the samples and shows the result.
"""
