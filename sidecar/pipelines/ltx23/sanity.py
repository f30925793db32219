"""Numbers that are none: found before anybody is given a grey picture for a take."""

from __future__ import annotations

import torch

from interchange.errors import InvalidInputError


def check_numbers(made: torch.Tensor, what: str) -> None:
    """See that the model made numbers.

    One sum, so that nothing as large as the tensor is made; on a GPU it waits for the device.

    Args:
        made: Of any shape.
        what: What they are, for the message.

    Raises:
        InvalidInputError: There is NaN among them, which is what damaged weights make of everything.
    """
    if bool(torch.isnan(made.sum(dtype=torch.float32))):
        raise InvalidInputError(
            f"What the model made ({what}) is no numbers (NaN), so there is no take. Its weights, or those of a LoRA, "
            "are damaged or not made for each other: run `ltxbridge models verify`, and try it without the preset.",
            metadata={"made": what},
        )
