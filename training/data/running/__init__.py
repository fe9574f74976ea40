"""Pipelines from one machine to many: the same stages, the same bytes, whoever runs them.

``pipeline`` says what a stage is, ``chunks`` cuts the input, ``local`` and ``ray_runner`` run,
``manifest`` and ``parts`` keep what is done so that a killed run goes on, ``build`` chains the
stages of a training set.
"""
