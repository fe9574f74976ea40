"""Offline tools: rendered scenes, training and evaluation. Never imported by the runtime."""
