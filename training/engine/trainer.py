"""``transformers.Trainer`` with this package's batches, loss, optimisers and checkpoints."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainingArguments

from spacesgg_ros.cli.console import messages
from spacesgg_ros.vlm.folder import ModelFolder, open_folder
from spacesgg_ros.vlm.torch_runtime import load_llava

from .batches import BatchPlan
from .cached_tower import SELECTED, CachedTower
from .loss import AnswerLogits, TokenLoss
from .model import DTYPES
from .optimiser import make_groups, make_optimiser
from .recipe import Recipe, Schedule
from .run_folder import RunFolder, copy_processor, fill_folder

_CHECKPOINTING = ("activation_checkpointing", "gradient_checkpointing")


class LlavaTrainer(Trainer):
    """Trains a LLaVA, whole or by an adapter, as a recipe says.

    With a cached tower the model goes through training without its tower; ``tower`` is put
    back wherever weights are written, so that every checkpoint is a complete model folder.
    """

    def __init__(
        self,
        *,
        recipe: Recipe,
        run: RunFolder,
        folder: ModelFolder,
        plan: BatchPlan,
        loss: TokenLoss,
        **kwargs: Any,
    ) -> None:
        """Args: kwargs: of ``Trainer``: model, args, train_dataset, data_collator, callbacks."""
        super().__init__(**kwargs)
        self._recipe = recipe
        self._run = run
        self._folder = folder
        self._plan = plan
        self._token_loss = loss
        self.remove_callback(PrinterCallback)  # RunReporter tells
        llava = self._llava
        self._answer_logits = AnswerLogits(llava.lm_head)
        self._tower = llava.model.vision_tower
        self._options: dict[str, Any] = {}
        if recipe.cached_tower:
            llava.model.vision_tower = CachedTower()
            self._options = SELECTED
        if recipe.compile:
            llava.model.language_model.compile(dynamic=True)
        # The summed loss is divided by the tokens of the whole step, on all processes.
        self.model_accepts_loss_kwargs = True

    @property
    def _llava(self) -> Any:
        model = self.accelerator.unwrap_model(self.model)
        return model.get_base_model() if hasattr(model, "peft_config") else model

    def get_train_dataloader(self) -> DataLoader:  # type: ignore[type-arg]
        """Every batch of the run in the plan's order; ``Trainer`` skips those already done."""
        loader = DataLoader(
            self.train_dataset,  # type: ignore[arg-type]
            batch_sampler=self._plan,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.args.dataloader_num_workers > 0,
        )
        prepared: DataLoader = self.accelerator.prepare(loader)  # type: ignore[type-arg]
        return prepared

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW or Muon with a learning rate a part."""
        if self.optimizer is None:
            named = (self.model if model is None else model).named_parameters()
            groups = make_groups(named, self._recipe.learning_rate, self._recipe.optimiser)
            self.optimizer = make_optimiser(groups, self._recipe.optimiser)
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """Warm-up and decay of every group's rate together."""
        if self.lr_scheduler is None:
            schedule = self._recipe.schedule
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                optimizer or self.optimizer,
                lambda step: rate_at(step, num_training_steps, schedule),
            )
        return self.lr_scheduler

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Mean over the learnt tokens of the whole step, whatever batches it is made of."""
        if not self._recipe.train.vision_tower:
            # Trainer switches everything to training; a frozen tower's statistics stay.
            self._llava.model.vision_tower.eval()
        logits, learnt = self._answer_logits(model, {**inputs, **self._options})
        loss = self._token_loss(logits, inputs["input_ids"][:, 1:], learnt)
        if num_items_in_batch is None:
            loss = loss / max(1, len(logits))
        else:
            loss = loss / num_items_in_batch
            if self.args.average_tokens_across_devices:
                # Gradients are averaged over processes, but the tokens were counted over all.
                loss = loss * self.accelerator.num_processes
        return (loss, {"logits": logits}) if return_outputs else loss

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """A complete checkpoint or none, even if the process is killed meanwhile."""
        if self.args.should_save:
            shutil.rmtree(self._run.draft, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        kept, self.args.output_dir = self.args.output_dir, str(self._run.draft)
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self.args.output_dir = kept
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            self._run.publish(self.state.global_step, self._recipe.prune)
        self.accelerator.wait_for_everyone()

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: torch.nn.Module | None = None
    ) -> None:
        """The weights of a checkpoint, every one of them.

        LLaVA is saved under the names of older releases, which ``from_pretrained`` knows and
        ``Trainer``, which loads what fits and passes over the rest, does not.
        """
        llava = self._llava
        if self.is_fsdp_enabled or llava is not self.accelerator.unwrap_model(self.model):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        state = load_llava(open_folder(resume_from_checkpoint)).state_dict()
        if self._options:
            state = {k: v for k, v in state.items() if "vision_tower" not in k}
        llava.load_state_dict(state)

    def _save(
        self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None
    ) -> None:
        if not self.args.should_save:
            return
        assert output_dir is not None
        self.write_weights(Path(output_dir), "fp32", state_dict)

    def write_result(self, target: Path) -> None:
        """Write the trained model or adapter in the precision of the recipe, on all processes."""
        state = None
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            state = self.accelerator.get_state_dict(self.model_wrapped)
        if self.args.should_save:
            precision = self._recipe.save_precision
            fill_folder(target, lambda path: self.write_weights(path, precision, state))
        self.accelerator.wait_for_everyone()

    def write_weights(
        self, target: Path, precision: str, state_dict: dict[str, Any] | None = None
    ) -> None:
        """Config, weights and processor files; an adapter without what its base has."""
        model = self.accelerator.unwrap_model(self.model)
        llava, dtype = self._llava, getattr(torch, DTYPES[precision])
        if hasattr(model, "peft_config"):
            model.save_pretrained(target, state_dict=state_dict, save_embedding_layers=False)
            return
        standing, llava.model.vision_tower = llava.model.vision_tower, self._tower
        # transformers' Trainer turns the cache off in it, which would slow whoever generates.
        vars(llava.config).pop("use_cache", None)
        try:
            state = dict(llava.state_dict())
            if state_dict is not None:
                # A sharded model's own weights are pieces; only the tower beside it is whole.
                state = {k: v for k, v in state.items() if "vision_tower" in k} | state_dict
            state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
            if llava.config.tie_word_embeddings:
                state.pop("lm_head.weight", None)
            llava.save_pretrained(target, state_dict=state)
        finally:
            llava.model.vision_tower = standing
        for file in target.glob("*.safetensors"):
            file.chmod(0o644)  # safetensors writes for the owner alone
        copy_processor(self._folder, target)


def rate_at(step: int, total: int, schedule: Schedule) -> float:
    """Share of the peak learning rate at a step that begins at ``step`` of ``total``."""
    warm = math.ceil(schedule.warmup * total)
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, total - warm)
    if schedule.name == "constant":
        return 1.0
    left = 0.5 * (1 + math.cos(math.pi * done)) if schedule.name == "cosine" else 1 - done
    return schedule.final + (1 - schedule.final) * left


def make_arguments(recipe: Recipe, run: RunFolder, max_steps: int) -> TrainingArguments:
    """What ``Trainer`` is to do by itself; batches, loss and optimiser are ours."""
    checkpointing: dict[str, Any] = {}
    if recipe.gradient_checkpointing:
        known = TrainingArguments.__dataclass_fields__
        # transformers 5 renamed it.
        name = next(n for n in _CHECKPOINTING if n in known)
        checkpointing = {name: True, f"{name}_kwargs": {"use_reentrant": False}}
    arguments = TrainingArguments(
        output_dir=str(run.checkpoints),
        max_steps=max_steps,
        per_device_train_batch_size=recipe.batch.size,
        gradient_accumulation_steps=recipe.batch.accumulation,
        max_grad_norm=recipe.optimiser.clip_norm,
        logging_steps=recipe.log_every,
        save_steps=recipe.save_every,
        save_strategy="steps",
        bf16=recipe.precision == "bf16",
        fp16=recipe.precision == "fp16",
        use_cpu=not torch.cuda.is_available(),
        **checkpointing,
        dataloader_num_workers=recipe.workers,
        remove_unused_columns=False,
        label_names=["labels"],
        report_to=[],
        disable_tqdm=True,
        seed=recipe.seed,
        # One process computes the tower's features while the others wait.
        ddp_timeout=12 * 3600,
    )
    if arguments.n_gpu > 1:
        # Trainer would copy the model to all of them with nn.DataParallel.
        messages.print(f"one of {arguments.n_gpu} GPUs is used; for all: accelerate launch")
        arguments._n_gpu = 1
    return arguments
