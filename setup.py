"""
Builds the extension maskrcnn_benchmark._C; everything else about the package is in pyproject.toml.

C++ is built wherever there is a compiler; CUDA too where torch sees a GPU, or with FORCE_CUDA=1. Without a compiler the
package installs without the extension and its ops take their torch forms. Environment: FORCE_CUDA, CUDA_HOME,
TORCH_CUDA_ARCH_LIST, CXX, MAX_JOBS. Rebuild in place: python setup.py build_ext --inplace
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import setup

SOURCES = Path("maskrcnn_benchmark", "csrc")
# Turing, Ampere, Ada, Hopper, and by PTX whatever comes later.
DEFAULT_ARCHITECTURES = "7.5;8.0;8.6;8.9;9.0+PTX"


def cuda_home() -> str | None:
    """
    Folder of the CUDA toolkit: CUDA_HOME, else the one that nvcc itself names (the nvcc on the path may be a wrapper).
    """
    if "CUDA_HOME" in os.environ:
        return os.environ["CUDA_HOME"]
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        return None
    plan = subprocess.run(
        [nvcc, "--dryrun", "-x", "cu", os.devnull, "-c"], capture_output=True, text=True, check=False
    ).stderr
    found = re.search(r"^#\$ TOP=(.+)$", plan, re.MULTILINE)
    return str(Path(found.group(1).strip()).resolve()) if found else str(Path(nvcc).resolve().parent.parent)


def wants_cuda(toolkit: str | None) -> bool:
    """CUDA is built for a visible GPU or on demand; a demand that cannot be met is an error."""
    import torch

    forced = os.environ.get("FORCE_CUDA", "0") == "1"
    if forced and toolkit is None:
        sys.exit("FORCE_CUDA=1 needs nvcc on the path or CUDA_HOME; found neither")
    return forced or (torch.cuda.is_available() and toolkit is not None)


def choose_architectures() -> None:
    """
    Sets TORCH_CUDA_ARCH_LIST where nobody did and no GPU is visible; with one, torch compiles for the GPUs that are
    there.
    """
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("TORCH_CUDA_ARCH_LIST", DEFAULT_ARCHITECTURES)


def missing_tool() -> str | None:
    """What keeps C++ from being compiled here, if anything."""
    compiler = os.environ.get("CXX", "c++").split()[0]
    if shutil.which(compiler) is None and shutil.which("g++") is None:
        return f"a C++ compiler ('{compiler}')"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return f"Python.h in {sysconfig.get_path('include')}"
    return None


def build_options() -> dict:
    """Arguments of setup() that build the extension; none where it cannot be built."""
    if missing := missing_tool():
        sys.stderr.write(
            f"maskrcnn_benchmark._C is not built: {missing} is missing. The ops take their slower torch forms.\n"
        )
        return {}
    os.environ["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    )  # ninja of the environment
    toolkit = cuda_home()
    with_cuda = wants_cuda(toolkit)
    if with_cuda:
        os.environ["CUDA_HOME"] = toolkit  # read when cpp_extension is imported
        choose_architectures()
    from torch.utils.cpp_extension import BuildExtension, CppExtension, CUDAExtension

    class Build(BuildExtension):
        """Puts the library in place by renaming: a process that has the old one loaded keeps it whole."""

        def finalize_options(self):
            super().finalize_options()
            self.force = (
                True  # ninja knows what is up to date; setuptools would take a library without CUDA for one with it
            )

        def copy_file(self, infile, outfile, *args, **kwargs):
            if not str(outfile).endswith(".so"):
                return super().copy_file(infile, outfile, *args, **kwargs)
            part = f"{outfile}.{os.getpid()}.part"
            result = super().copy_file(infile, part, *args, **kwargs)
            os.replace(part, outfile)
            return outfile, result[1]

    # No contraction into fused multiply-adds: all instruction sets and both devices round alike.
    flags = {
        "cxx": ["-O3", "-g0", "-ffp-contract=off", "-fvisibility=hidden"],
        "nvcc": ["-O3", "--fmad=false", "-diag-suppress=20013,20015"],
    }
    device_only = {SOURCES / "kernels.cu", SOURCES / "ops_cuda.cpp"}
    sources = sorted({*SOURCES.glob("*.cpp"), *SOURCES.glob("*.cu")} - (set() if with_cuda else device_only))
    kind = CUDAExtension if with_cuda else CppExtension
    extension = kind(
        "maskrcnn_benchmark._C",
        [str(path) for path in sources],
        depends=[str(path) for path in {*SOURCES.glob("*.h"), *SOURCES.glob("*.cuh")}],
        extra_compile_args=flags if with_cuda else flags["cxx"],
    )
    return {"ext_modules": [extension], "cmdclass": {"build_ext": Build}}


setup(**build_options())
