"""A model's weights alone, in a file that prediction and evaluation read like the checkpoint they come from."""

from pathlib import Path

from maskrcnn_benchmark.engine.description import described_model
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.model_files import write_model
from maskrcnn_benchmark.utils.weight_files import named_tensors, read_file


def write_weights(checkpoint: str | Path, target: str | Path) -> Path:
    """
    Writes the weights of a checkpoint with its config and vocabulary as .safetensors.

    Raises:
        UserError: the checkpoint cannot be read or does not say what model it is of, or the target is named otherwise.
    """
    if Path(target).suffix != ".safetensors":
        raise UserError(f"{target}: a file of weights is known by its name: end it in .safetensors")
    content = read_file(checkpoint)
    described_model(content, str(checkpoint))  # refuses what could not be read back
    weights = named_tensors(content, str(checkpoint))
    return write_model(target, weights, content, detector=content.get("detector") is not False)
