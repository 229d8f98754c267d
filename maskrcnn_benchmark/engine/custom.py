"""TEST.CUSTUM_EVAL: scene graphs of a folder of images in the two files of Scene-Graph-Benchmark."""

import json
from pathlib import Path
from typing import Any

from maskrcnn_benchmark.config import Config, Task
from maskrcnn_benchmark.data.build import load_dataset_meta
from maskrcnn_benchmark.engine.description import described_meta
from maskrcnn_benchmark.engine.picture_sources import find_sources
from maskrcnn_benchmark.engine.prediction import SceneGraphModel
from maskrcnn_benchmark.engine.prediction_input import as_image, why_left_out
from maskrcnn_benchmark.engine.run import setup_run
from maskrcnn_benchmark.engine.start import load_content
from maskrcnn_benchmark.modeling.detector import build_detection_model
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.distributed import is_main_process
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import atomic_path, write_json
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.progress import progress
from maskrcnn_benchmark.utils.weight_files import read_file

logger = get_logger(__name__)

INFO, PREDICTION = "custom_data_info.json", "custom_prediction.json"


def run_custom(cfg: Config, weights: Path) -> None:
    """
    Predicts the images in TEST.CUSTUM_PATH and writes INFO and PREDICTION into DETECTED_SGG_DIR.

    Args:
        weights: checkpoint of the model that cfg describes; one that does not say its names takes those of
            DATASETS.TRAIN.
    Raises:
        UserError: another task than SGDet, or no image in the folder.
    """
    if Task.from_cfg(cfg) is not Task.SGDET:
        raise UserError(
            "TEST.CUSTUM_EVAL: images alone give neither boxes nor labels; set MODEL.ROI_RELATION_HEAD.USE_GT_BOX and"
            " USE_GT_OBJECT_LABEL False, or let tools/predict.py take --boxes"
        )
    if cfg.DATASETS.PROPOSALS:
        raise UserError(
            "TEST.CUSTUM_EVAL: the boxes of DATASETS.PROPOSALS are of a data set's images; leave the key out"
        )
    folder, output = Path(cfg.TEST.CUSTUM_PATH), Path(cfg.DETECTED_SGG_DIR)
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise UserError(f"TEST.CUSTUM_PATH {folder}: expected a folder of images, found {found}")
    with setup_run(cfg) as run:
        content = read_file(weights)
        told = isinstance(content, dict) and "meta" in content
        meta = described_meta(content["meta"], str(weights)) if told else load_dataset_meta(cfg)
        model = build_detection_model(cfg, meta)
        load_content(cfg, model, content, str(weights), meta)
        if is_main_process():
            write_custom(SceneGraphModel(cfg, meta, model.to(run.device), name=str(weights)), folder, output)


def write_custom(model: SceneGraphModel, folder: Path, output: Path) -> None:
    """The two files of the images in a folder; those that cannot be read are named and left out."""
    files, sizes = [], []
    # An image's entry is megabytes of text, so each is written as soon as it is made.
    with atomic_path(output / PREDICTION) as temporary, open(temporary, "w", encoding="utf-8") as out:
        out.write("{")
        for path in progress(find_sources([str(folder)]), desc="predicting", unit="picture"):
            try:
                image = as_image(path, f"image {path}")
            except UserError as error:
                logger.warning(f"left out: {why_left_out(error)}")
                continue
            (result,) = model.results([image], None, Task.SGDET)
            entry = json.dumps(custom_entry(result), allow_nan=False)
            out.write(f'{", " if files else ""}"{len(files)}": {entry}')
            files.append(str(path))
            sizes.append(list(result.size))
        out.write("}\n")
        if not files:
            raise UserError(f"TEST.CUSTUM_PATH {folder}: no image in it that can be read")
    info = {"idx_to_files": files, "idx_to_sizes": sizes}
    info |= {"ind_to_classes": list(model.objects), "ind_to_predicates": list(model.predicates)}
    write_json(output / INFO, info)
    logger.info(f"{len(files)} images: {output / PREDICTION}, {output / INFO}")


def custom_entry(result: BoxList) -> dict[str, Any]:
    """
    An image's entry of custom_prediction.json: boxes by falling score, relations by falling predicate probability.

    Returns:
        "bbox" (n, 4) xyxy in the frame of the network's input, as published, "bbox_labels" (n,), "bbox_scores" (n,),
        "rel_pairs" (m, 2) rows of these boxes, "rel_labels" (m,), "rel_scores" (m,), "rel_all_scores" (m, K) with the
        background.
    """
    scores = result.get_field("pred_scores")
    order = scores.argsort(descending=True, stable=True)
    place = order.argsort()
    predicates = result.get_field("pred_rel_scores")
    best = predicates[:, 1:].max(dim=1).values
    relations = best.argsort(descending=True, stable=True)
    return {
        "bbox": result.bbox[order].tolist(),
        "bbox_labels": result.get_field("pred_labels")[order].tolist(),
        "bbox_scores": scores[order].tolist(),
        "rel_pairs": place[result.get_field("rel_pair_idxs")[relations]].tolist(),
        "rel_labels": result.get_field("pred_rel_labels")[relations].tolist(),
        "rel_scores": best[relations].tolist(),
        "rel_all_scores": predicates[relations].tolist(),
    }
