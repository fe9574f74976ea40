"""Instruction tuning of LLaVA models on ``transformers.Trainer``, ``peft`` and ``accelerate``.

One code path for the embedded model and a 13B: ``run.train_recipe`` is the way in.
"""
