"""Scene graph generation on a Faster R-CNN: from an image to objects and (subject, predicate, object) relations."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maskrcnn_benchmark.engine.prediction import SceneGraphModel

__version__ = "0.1.0"
__all__ = ["SceneGraphModel", "__version__"]


def __getattr__(name: str) -> Any:
    """SceneGraphModel, imported when it is asked for: the package alone stays cheap to import."""
    if name == "SceneGraphModel":
        from maskrcnn_benchmark.engine.prediction import SceneGraphModel

        return SceneGraphModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
