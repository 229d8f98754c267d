"""
Scene graph generation from one command: training, evaluation, prediction, data.

Example: sgg train --config-file configs/demo/predcls.yaml
         sgg predict photo.jpg --checkpoint output/demo/predcls/model_final.pth --output output/graphs
"""

import difflib
import pkgutil
import sys
from collections.abc import Sequence

from maskrcnn_benchmark import __version__
from maskrcnn_benchmark.utils.errors import UserError, run_tool

# Words of a command -> (where its main is, what it does).
COMMANDS = {
    "train": ("networks:train_relation", "train a relation model and evaluate it; started again, go on"),
    "test": ("networks:test_relation", "evaluate a relation model"),
    "detector train": ("networks:train_detector", "the same two for the Faster R-CNN alone"),
    "detector test": ("networks:test_detector", ""),
    "predict": ("predict:main", "scene graphs of pictures, folders, videos from a checkpoint"),
    "data make": ("dataset:main", "your own pictures and annotations to a data set"),
    "data check": ("dataset:check_main", "look a data set over"),
    "data config": ("dataset:config_main", "configs to train on a data set of your own"),
    "data demo": ("demo_data:main", "render the demo data set `scenes`"),
    "prototypes visual": ("visual_prototypes:main", "SPLN's prototypes from training pairs"),
    "prototypes conceptual": ("conceptual_prototypes:main", "and from descriptions, by a language model"),
    "evaluate": ("evaluate:main", "figures of saved predictions, intervals, a comparison"),
    "report": ("report:main", "a run's figures, charts and pictures as one HTML file"),
    "export": ("export:main", "a model as ONNX graph, torch.export program, or weights"),
    "convert": ("convert:main", "Detectron's pickled weights to a safe file"),
    "doctor": ("doctor:main", "what this machine can do, and what to mend"),
    "bench": ("bench:main", "speed beside plain references (in a clone)"),
    "ablation": ("ablation:main", "predictors against each other on `scenes`"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the words name. UserError where they name none."""
    words = list(sys.argv[1:] if argv is None else argv)
    for count in (2, 1):
        name = " ".join(words[:count])
        if name in COMMANDS and len(words) >= count:
            command = pkgutil.resolve_name(f"maskrcnn_benchmark.commands.{COMMANDS[name][0]}")
            return command(words[count:], prog=f"sgg {name}")
    if not words or words[0] in ("-h", "--help"):
        return _show("sgg COMMAND", list(COMMANDS))
    if words[0] == "--version":
        sys.stdout.write(f"sgg {__version__}\n")
        return 0
    group = [name for name in COMMANDS if name.startswith(words[0] + " ")]
    if group and (len(words) == 1 or words[1] in ("-h", "--help")):
        return _show(f"sgg {words[0]} COMMAND", group)
    known = [name.split()[1] for name in group] or list(dict.fromkeys(name.split()[0] for name in COMMANDS))
    word, where = (words[1], f"sgg {words[0]}") if group else (words[0], "sgg")
    near = difflib.get_close_matches(word, known, 1)
    raise UserError(
        f"{where}: no command '{word}'; {f'did you mean {near[0]}? ' if near else ''}{where} --help shows all"
    )


def _show(usage: str, names: Sequence[str]) -> int:
    """Prints what there is."""
    lines = [f"  {name:<23}{COMMANDS[name][1]}".rstrip() for name in names]
    text = [f"usage: {usage} [WORDS ...]", __doc__.strip(), "\n".join(lines), "sgg COMMAND --help tells more of each."]
    sys.stdout.write("\n\n".join(text) + "\n")
    return 0


def run(argv: Sequence[str] | None = None) -> int:
    """The console script: main, whose errors are one line."""
    return run_tool(lambda: main(argv))
