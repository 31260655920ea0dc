"""What exports write: answers of any length, a slice at a time, so that memory stays bounded.

:mod:`.form` says what a form of export is; :mod:`.long`, :mod:`.grid` and :mod:`.aggregated` are those there are;
:mod:`.request` says what is wanted, and cuts it into files of a folder; :mod:`.about` what a file tells of its tags.
"""
