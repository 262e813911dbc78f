"""The public names of `rs_denoise`; importing the package does not import PyTorch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import rs_denoise
from rs_denoise.camera import Camera
from rs_denoise.denoiser import Denoiser


def test_the_names_are_those_of_the_modules():
    assert rs_denoise.Camera is Camera and rs_denoise.Denoiser is Denoiser
    assert set(rs_denoise.__all__) <= set(dir(rs_denoise))
    for name in rs_denoise.__all__:
        assert getattr(rs_denoise, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'rs_denoise' has no attribute 'Camra'"):
        getattr(rs_denoise, "Camra")  # noqa: B009
    with pytest.raises(ImportError):
        exec("from rs_denoise import Camra")


def test_importing_the_package_or_its_camera_does_not_import_pytorch():
    code = "import sys; from rs_denoise import Camera; Camera.d435(); print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "False\n"


def test_type_checkers_are_told_the_same_names():
    """They do not look into `__getattr__`: they read the imports under TYPE_CHECKING."""
    tree = ast.parse(Path(rs_denoise.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    told = {name.name: node.module for node in block.body for name in node.names}
    assert told == {n: f"rs_denoise.{module}" for n, module in rs_denoise._MODULES.items()}
    assert sorted(told) == rs_denoise.__all__
    assert Path(rs_denoise.__file__).with_name("py.typed").exists()
