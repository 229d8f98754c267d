r"""
Writes the file of conceptual prototypes of a config's predicates, with a language model in a local folder. Nothing is
downloaded.

The model reads three descriptions of each predicate. They ship for Visual Genome 150, GQA-200, Open Images V6 and the
demo's scenes; other data sets give theirs as --descriptions FILE.json: {"predicate": [three sentences], ...},
"__background__" included. --type CLIP puts the three texts' embeddings side by side (3 x 768 with ViT-L/14: CON_PRO_DIM
2304), LLAMA takes the mean hidden state of a causal language model over all three (4096 with 7B models), SENTENCE that
of any sentence encoder. `--model packaged` is the encoder of the extra [demo] (384 wide).

Example: %(prog)s --config-file configs/demo/predcls.yaml \
             --type SENTENCE --model packaged --output output/demo/con_protos.pt
         %(prog)s --config-file configs/e2e_relation_X_101_32_8_FPN_1x.yaml \
             --type CLIP --model ./checkpoints/clip-vit-large-patch14 \
             --output ./output/relation_baseline/vg_clip_refine_con_protos.pt
"""

from collections.abc import Sequence

from maskrcnn_benchmark.commands.parser import config_parser
from maskrcnn_benchmark.engine.cli import read_config
from maskrcnn_benchmark.utils.errors import UserError


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    parser = config_parser(__doc__, prog)
    parser.add_argument(
        "--type", choices=("CLIP", "LLAMA", "SENTENCE"), required=True, help="kind of model, and so of prototypes"
    )
    parser.add_argument(
        "--model", required=True, metavar="DIR", help="folder of the model, as transformers saves it, or `packaged`"
    )
    parser.add_argument(
        "--descriptions",
        metavar="FILE.json",
        help="three texts per predicate (default: those that ship with the package)",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="file to write (default: the CON_PRO_*_PATH of the config's CON_PRO_TYPE)"
    )
    args = parser.parse_intermixed_args(argv)
    cfg = read_config(args.config_file, args.overrides, relation=True)
    head = cfg.MODEL.ROI_RELATION_HEAD
    output = args.output or ("" if head.CON_PRO_TYPE == "NONE" else head[f"CON_PRO_{head.CON_PRO_TYPE}_PATH"])
    if not output:
        raise UserError(
            "no file to write: give --output, or name one in CON_PRO_LLAMA_PATH or CON_PRO_CLIP_PATH, as CON_PRO_TYPE"
            " says"
        )
    # After the checks: these take seconds to import.
    from maskrcnn_benchmark.data.build import load_dataset_meta
    from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.concepts import extract_conceptual_prototypes
    from maskrcnn_benchmark.utils.log import setup_logging

    setup_logging()
    extract_conceptual_prototypes(args.type, args.model, load_dataset_meta(cfg), output, args.descriptions)
    return 0
