"""Visual spatial description: its public files and scene graphs as rows of LLaVA-VSD's tasks."""

from .tasks import VSD_TASKS, VsdConfig, VsdStage, vsd_rows

__all__ = ["VSD_TASKS", "VsdConfig", "VsdStage", "vsd_rows"]
