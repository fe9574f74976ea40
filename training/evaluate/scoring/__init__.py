"""Scores of answers, sentences and boxes against a truth, with intervals and comparisons.

:mod:`.result` is the file that every ``spacesgg score`` command writes, :mod:`.outcomes` the
numbers in it, :mod:`.report` the page about it and :mod:`.compare` what two of them say of each
other. What is scored: :mod:`.spatial` (questions with an answer), :mod:`.vsd` and :mod:`.captions`
(relations and sentences), :mod:`.detection` (boxes).
"""
