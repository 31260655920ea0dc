"""Fewer samples within a stated error: exception reporting first, the swinging door behind it.

:mod:`.bulk` judges whole histories, :mod:`.stream` blocks of scans as they come, both with :mod:`.reports`,
:mod:`.runs` and :mod:`.doors`; :mod:`.repeats` is for lanes without lines between their samples.  They know neither
tags' names nor the store: :mod:`historian.pipeline` feeds them and carries what they keep to :mod:`storage`.
"""
