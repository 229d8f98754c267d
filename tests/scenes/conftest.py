"""Three hundred training images of the demo data set, drawn once: pictures are thrown away, records and truths kept."""

import pytest

from maskrcnn_benchmark.data.scenes.write import make_image

NUM_IMAGES = 300


@pytest.fixture(scope="session")
def drawn() -> list[tuple[dict, object]]:
    """(record, truth) of each image, as make_image gives them."""
    return [make_image(0, "train", index)[1:] for index in range(NUM_IMAGES)]
