"""What the blocks of a denoiser attend to beside the clip."""

from dataclasses import dataclass

from torch import Tensor

Memory = tuple[Tensor, Tensor]
"""Keys and values: (B, L, heads, head)."""


@dataclass(frozen=True)
class Context:
    """What every block attends to beside the clip: it depends on neither noise nor time, so once a
    film is enough.
    """

    layers: list[list[Memory]]
    bias: Tensor | None = None
    """(1, 1, 1, L), added to the scores of the text's tokens."""
    visual: list[Memory] | None = None
    """Keys and values of reference pictures, for the self-attention of each block."""
    visual_bias: Tensor | None = None
    """(B, 1, 1, R), added to their scores: -inf where there is no picture."""

    control: Tensor | None = None
    """(B, N, D): the tokens of a control branch (`models.vace`)."""

    def rows(self, which: slice) -> "Context":
        """The context of some of the clips."""
        layers = [[(k[which], v[which]) for k, v in memories] for memories in self.layers]
        visual = None if self.visual is None else [(k[which], v[which]) for k, v in self.visual]
        bias, control = (
            None if part is None else part[which] for part in (self.visual_bias, self.control)
        )
        return Context(layers, self.bias, visual, bias, control)

    def repeated(self, count: int) -> "Context":
        """The context of one clip for ``count`` of them; nothing is copied."""
        layers = [[_repeated(memory, count) for memory in memories] for memories in self.layers]
        visual = None if self.visual is None else [_repeated(one, count) for one in self.visual]
        bias, control = (
            None if part is None else part.expand(count, *part.shape[1:])
            for part in (self.visual_bias, self.control)
        )
        return Context(layers, self.bias, visual, bias, control)


def _repeated(memory: Memory, count: int) -> Memory:
    k, v = memory
    return k.expand(count, *k.shape[1:]), v.expand(count, *v.shape[1:])
