"""DDIM on a schedule that is shrunk to a strength, as Instruct-NeRF2NeRF has it (lineage.md 4).

At alpha bar a, a noisy latent is x = sqrt(a) clean + sqrt(1 - a) noise. A step splits x by the
network's answer and moves both parts to the next alpha bar; inversion takes the same steps upwards.
diffusers' schedulers do the same on the whole schedule; they cannot begin at any strength.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import DDIMScheduler


class DDIM:
    """Steps between noise levels.

    schedule: the pipeline's; dtype: of the latents that the network takes.
    """

    def __init__(self, schedule: "DDIMScheduler", dtype: torch.dtype):
        self.schedule = schedule
        self.dtype = dtype
        self.trained_steps = int(schedule.config.num_train_timesteps)

    def timesteps(self, b: float, count: int) -> Tensor:
        """`count` timesteps (count,) for strength b, highest first.

        Upstream shrinks the schedule to T = 1000 b and takes 'leading' steps, so the first is
        (count - 1) floor(T / count) + 1, about 0.95 T for 20 steps.
        """
        T = max(count, min(int(b * self.trained_steps), self.trained_steps))
        return torch.arange(count).flip(0) * (T // count) + 1

    def level(self, t: int) -> Tensor:
        """Alpha bar () at a timestep."""
        return self.schedule.alphas_cumprod[t]

    def levels_after(self, timesteps: Tensor) -> list[Tensor]:
        """Alpha bar after each of the descending timesteps."""
        alphas = self.schedule.alphas_cumprod
        gap = int(timesteps[0] - timesteps[1]) if len(timesteps) > 1 else 1
        end = torch.ones(())
        if self.schedule.config.get("set_alpha_to_one") is False:
            end = alphas[0]
        return [alphas[t - gap] if t >= gap else end for t in timesteps.tolist()]

    def noised(self, latents: Tensor, t: int, generator: torch.Generator) -> Tensor:
        """Latents (V, 4, h, w) lifted to timestep t."""
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        return self.schedule.add_noise(latents, noise, torch.tensor([t], device=latents.device))

    def split(self, x: Tensor, level: Tensor, answer: Tensor) -> tuple[Tensor, Tensor]:
        """Clean latents and noise of x at alpha bar `level`, by the network's answer.

        The answer is the noise, or the velocity where the schedule says so.
        """
        a = level.to(answer)
        if self.schedule.config.prediction_type == "v_prediction":
            answer = a.sqrt() * answer + (1 - a).sqrt() * x.float()
        return (x.float() - (1 - a).sqrt() * answer) / a.sqrt(), answer

    def move(self, clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """The same clean latents and noise at another alpha bar."""
        level = level.to(clean)
        return (level.sqrt() * clean + (1 - level).sqrt() * noise).to(self.dtype)
