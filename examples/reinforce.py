"""REINFORCE without any data: the whole training step is a plain function.

    python examples/reinforce.py

An agent on a ring of eight places learns to walk to place 0 by the shorter way. A few seconds on one core.
"""

from __future__ import annotations

import torch
from torch import nn

from gradfleet import Model

PLACES, EPISODES, MOVES = 8, 64, 6


def reinforce(model: Model, batch: None) -> torch.Tensor:
    """Play episodes, and make the moves likelier that led to more reward than usual."""
    places = torch.randint(PLACES, (EPISODES,))
    log_chances, rewards = [], []
    for _ in range(MOVES):
        policy = torch.distributions.Categorical(logits=model.network(places))
        moves = policy.sample()
        places = (places + torch.where(moves == 0, -1, 1) * (places != 0)) % PLACES
        log_chances.append(policy.log_prob(moves))
        rewards.append((places == 0).float())
    returns = torch.stack(rewards).flip(0).cumsum(0).flip(0)
    model.log("reward", torch.stack(rewards).mean())
    return -(torch.stack(log_chances) * (returns - returns.mean(dim=1, keepdim=True))).mean()


def main() -> None:
    torch.manual_seed(0)
    model = Model(nn.Embedding(PLACES, 2), training_step=reinforce).compile(optimizer="adam", learning_rate=0.05)
    history = model.fit(epochs=5, steps_per_epoch=60)
    for record in history:
        print(f"epoch {record.epoch}: mean reward {record['train_reward']:.3f}")
    policy = model.predict(torch.arange(PLACES)).softmax(dim=1)
    print("chance to go up, by place:", " ".join(f"{chance:.2f}" for chance in policy[:, 1].tolist()))


if __name__ == "__main__":
    main()
