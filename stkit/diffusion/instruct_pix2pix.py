"""InstructPix2Pix through diffusers, used as Instruct-NeRF2NeRF does (lineage.md 4)."""

from pathlib import Path

import torch
from torch import Tensor

from stkit.diffusion.protocols import PromptError
from stkit.diffusion.together import edit_together

PUBLISHED_GUIDANCE = (7.5, 1.5)  # s_T, s_I


class InstructPix2PixEditor:
    """Any diffusers `StableDiffusionInstructPix2PixPipeline`, by folder or hub id; 'tiny' is the kit's own.

    The render is lifted to noise level t = 1000 b and denoised in 20 DDIM steps under the original image, with
    e = e(0,0) + s_I [e(I,0) - e(0,0)] + s_T [e(I,T) - e(I,0)]. Upstream shrinks the schedule to T and takes 'leading' steps, so the
    first is 19 floor(T / 20) + 1, about 0.95 T; this does the same.

    At its true size the pipeline has 1.07 billion parameters (UNet 0.86): 2.1 GB in half precision. One guided step at 512 pixels
    adds 0.7 GB to the UNet's 3.4 GB in float32 (`python benchmarks/memory.py`).
    """

    stand_in = ""
    wants_depth = False

    def __init__(
        self,
        model: str = "timbrooks/instruct-pix2pix",
        s_T: float | None = None,
        s_I: float | None = None,
        steps: int = 20,
        device: str = "auto",
    ):
        import diffusers
        import transformers
        from diffusers import DDIMScheduler
        from safetensors import SafetensorError

        self.name, self.steps = f"InstructPix2Pix ({model})", steps
        text, picture = PUBLISHED_GUIDANCE
        if model == "tiny":
            from stkit.diffusion.tiny import GUIDANCE, SIZE, WEIGHTS

            model, (text, picture) = str(WEIGHTS), GUIDANCE
            self.stand_in = "the kit's tiny InstructPix2Pix instead of the published one"
            for library in (diffusers, transformers):
                library.utils.logging.disable_progress_bar()  # it loads in a second
            self.name = f"tiny InstructPix2Pix (stand-in: {SIZE} px, trained on synthetic heads)"
        self.s_T, self.s_I = text if s_T is None else s_T, picture if s_I is None else s_I
        self.device = (
            ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        )
        dtype = torch.float16 if self.device == "cuda" else torch.float32
        try:
            pipe = self._load(
                model,
                dtype=dtype,
                safety_checker=None,
                requires_safety_checker=False,
                use_safetensors=True,
            )
            if (
                len(pipe.tokenizer) < 10
            ):  # transformers makes an empty one where the files are missing
                raise ValueError(
                    "tokenizer/tokenizer.json (or vocab.json and merges.txt) is missing"
                )
        except (OSError, ValueError, SafetensorError) as e:
            where = (
                "the folder is incomplete"
                if Path(model).is_dir()
                else "no such folder here, and the model hub did not answer"
            )
            raise FileNotFoundError(
                f"InstructPix2Pix weights '{model}' could not be loaded: {where} ({str(e).splitlines()[0]}). Fetch them where there is "
                "a network (huggingface-cli download timbrooks/instruct-pix2pix --local-dir DIR) and give DIR, or use editor='paint'"
            ) from e
        pipe.set_progress_bar_config(disable=True)
        self.pipe = pipe.to(self.device)
        self.schedule = DDIMScheduler.from_config(pipe.scheduler.config)
        self.trained_steps = int(self.schedule.config.num_train_timesteps)
        self._text: dict[str, Tensor] = {}

    def _load(self, model: str, **options):
        from diffusers import StableDiffusionInstructPix2PixPipeline

        return StableDiffusionInstructPix2PixPipeline.from_pretrained(model, **options)

    def check(self, prompt: str) -> None:
        if not prompt.strip():
            raise PromptError(
                "the prompt is empty; write an instruction such as 'turn him into a bronze statue'"
            )

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """The picture's size inside the model: its longer side is what the UNet was trained at, each side a multiple of what it can halve."""
        vae, unet = self.pipe.vae.config, self.pipe.unet.config
        factor = 2 ** (len(vae.block_out_channels) - 1)
        unit = factor * 2 ** (len(unet.block_out_channels) - 1)
        scale = unet.sample_size * factor / max(height, width)
        return tuple(max(round(side * scale / unit), 1) * unit for side in (height, width))

    def timesteps(self, b: float) -> Tensor:
        """The DDIM steps for strength b, highest first."""
        T = max(self.steps, min(int(b * self.trained_steps), self.trained_steps))
        return torch.arange(self.steps).flip(0) * (T // self.steps) + 1

    @torch.no_grad()
    def edit(
        self, image, prompt, b, condition, generator, landmarks=None, text_guidance=1.0
    ) -> Tensor:
        latents, original = self.encode([image]), self.condition([condition])
        text, steps = self.text_states(prompt), self.timesteps(b)
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        x = self.schedule.add_noise(latents, noise, steps[:1].to(self.device))
        for t, after in zip(steps.tolist(), self.levels(steps)):
            x = self.move(*self.predict(x, t, original, text, 1, text_guidance), after)
        return self.decode(x, latents, [image])[0]

    def edit_together(
        self,
        images: list[Tensor],
        prompt: str,
        conditions: list[Tensor],
        generator: torch.Generator,
        text_guidance: float = 1.0,
    ) -> list[Tensor]:
        """All views at once, at full strength and in agreement (see `together`)."""
        return edit_together(self, images, prompt, conditions, generator, text_guidance)

    def encode(self, images: list[Tensor]) -> Tensor:
        """Scaled latents (V, 4, h, w) of pictures (H, W, 3) of one size."""
        return self._latents(images) * self.pipe.vae.config.scaling_factor

    def condition(self, images: list[Tensor]) -> Tensor:
        """The latents that the three answers see (3 V, 4, h, w): with text, with the picture alone, with neither."""
        original = self._latents(images)
        return torch.cat([original, original, torch.zeros_like(original)])

    def _latents(self, images: list[Tensor]) -> Tensor:
        size = self.working_size(*images[0].shape[:2])
        stack = torch.stack(images).permute(0, 3, 1, 2)
        small = torch.nn.functional.interpolate(stack, size, mode="bilinear", antialias=True)
        return self.pipe.vae.encode(
            small.to(self.device, self.pipe.unet.dtype) * 2 - 1
        ).latent_dist.mode()

    def predict(
        self,
        x: Tensor,
        t: int,
        original: Tensor,
        text: Tensor,
        views: int,
        text_guidance: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Clean latents and noise in x (V, 4, h, w) at level t, guided by text (3, L, D) and picture."""
        model_in = torch.cat([x.repeat(3, 1, 1, 1), original], 1)
        out = self.pipe.unet(
            model_in, t, encoder_hidden_states=text.repeat_interleave(views, 0)
        ).sample.float()
        e_text, e_image, e_none = out.chunk(3)
        return self.split(
            x,
            self.schedule.alphas_cumprod[t],
            e_none + self.s_I * (e_image - e_none) + self.s_T * text_guidance * (e_text - e_image),
        )

    def unguided(self, x: Tensor, t: int, original: Tensor, text: Tensor, views: int) -> Tensor:
        """The network's answer for x (V, 4, h, w) at level t under the picture alone, without text."""
        quiet = text[1:2].repeat_interleave(views, 0)
        return self.pipe.unet(
            torch.cat([x, original[:views]], 1), t, encoder_hidden_states=quiet
        ).sample.float()

    def split(self, x: Tensor, level: Tensor, answer: Tensor) -> tuple[Tensor, Tensor]:
        """Clean latents and noise of x at alpha bar `level`, from the network's answer, which is noise or velocity."""
        a = level.to(answer)
        if self.schedule.config.prediction_type == "v_prediction":
            answer = a.sqrt() * answer + (1 - a).sqrt() * x.float()
        return (x.float() - (1 - a).sqrt() * answer) / a.sqrt(), answer

    def levels(self, steps: Tensor) -> list[Tensor]:
        """alpha bar after each of the descending steps."""
        alphas = self.schedule.alphas_cumprod
        gap = int(steps[0] - steps[1]) if len(steps) > 1 else 1
        end = alphas[0] if self.schedule.config.get("set_alpha_to_one") is False else torch.ones(())
        return [alphas[t - gap] if t >= gap else end for t in steps.tolist()]

    def move(self, clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """DDIM: the same clean latents and noise at another alpha bar."""
        level = level.to(clean)
        return (level.sqrt() * clean + (1 - level).sqrt() * noise).to(self.pipe.unet.dtype)

    def decode(self, x: Tensor, before: Tensor, images: list[Tensor]) -> list[Tensor]:
        """Pictures (H, W, 3) of latents x. A model smaller than the pictures gives its change against `before`: their detail stays."""
        height, width = images[0].shape[:2]

        def show(latents: Tensor) -> Tensor:
            out = (
                self.pipe.vae.decode(latents / self.pipe.vae.config.scaling_factor).sample.float()
                / 2
                + 0.5
            )
            return (
                torch.nn.functional.interpolate(
                    out, (height, width), mode="bilinear", antialias=True
                )
                .permute(0, 2, 3, 1)
                .cpu()
            )

        out = show(x)
        if self.working_size(height, width)[0] < height:
            out = torch.stack(images) + out - show(before)
        return list(out.clamp(0, 1))

    def text_states(self, prompt: str) -> Tensor:
        """Text states (3, L, D) in the batch order text, image only, neither."""
        if prompt not in self._text:
            tokenizer, encoder = self.pipe.tokenizer, self.pipe.text_encoder
            ids = tokenizer(
                [prompt, "", ""],
                padding="max_length",
                max_length=tokenizer.model_max_length,
                truncation=True,
                return_tensors="pt",
            )
            self._text[prompt] = encoder(ids.input_ids.to(self.device))[0].to(self.pipe.unet.dtype)
        return self._text[prompt]
