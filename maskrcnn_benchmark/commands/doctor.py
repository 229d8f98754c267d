"""
Looks this machine over: PyTorch, driver, compiled ops, each GPU, shared memory, data files. Ends with what to do.

Example: %(prog)s
         %(prog)s --config-file configs/demo/predcls.yaml DATASETS.TEST "('scenes_test',)"

With a config it also says whether the device, data sets and start weights that the config names are there. The exit
status is 1 where something needed does not work.
"""

import importlib.util
import sys
from collections.abc import Sequence

from maskrcnn_benchmark.commands.parser import config_parser
from maskrcnn_benchmark.utils.errors import UserError


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    parser = config_parser(__doc__, prog, required=False)
    args = parser.parse_intermixed_args(argv)
    if args.overrides and not args.config_file:
        parser.error(f"{args.overrides[0]} ... changes a configuration: name its --config-file")
    if importlib.util.find_spec("torch") is None:
        raise UserError(f"{sys.executable} has no PyTorch: make env, or INSTALL.md, By hand")
    from maskrcnn_benchmark.config import load_config  # after the words are read: torch takes seconds to import
    from maskrcnn_benchmark.engine.doctor import BAD, conclusion, examine

    cfg = load_config(args.config_file, args.overrides) if args.config_file else None
    findings = []
    for finding in examine(cfg):
        findings.append(finding)
        sys.stdout.write(finding.line() + "\n")
        sys.stdout.flush()
    sys.stdout.write("\n" + "\n".join(conclusion(findings)) + "\n")
    return 1 if any(finding.level == BAD for finding in findings) else 0
