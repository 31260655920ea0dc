"""Fewer samples within a stated error: exception reporting first, the swinging door behind it.

Both stages take the samples of one scan at a time, at most one a lane, and work on all lanes at once.  They know
neither tags' names nor the store: :mod:`historian.pipeline` feeds them and carries what they keep to :mod:`storage`.
"""
