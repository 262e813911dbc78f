"""One HTML file that opens anywhere without a network: metrics, frames, points, methods.

It contains everything, including plotly.js. The page's content security policy allows only scripts
with the hashes that this module wrote, so that the name of a recording cannot run as a script.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import asdict
from datetime import datetime
from importlib import metadata, resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from rs_denoise.evaluation.report import pictures
from rs_denoise.evaluation.report.cards import FEW_FRAMES
from rs_denoise.evaluation.report.headline import (
    answer_questions,
    describe_right_infrared,
    list_warnings,
)
from rs_denoise.evaluation.report.report_frame import ReportFrame, make_views, pack_frame
from rs_denoise.evaluation.report.tables import (
    describe_distances,
    list_metrics,
    list_missing,
    make_tables,
)
from rs_denoise.evaluation.summary import Summary
from rs_denoise.recordings.atomic_output import write_text


def write_report(path: Path, title: str, summary: Summary, frames: list[ReportFrame]) -> None:
    """Writes the page.

    Args:
        path: of the HTML file; overwritten.
        title: its heading.
        summary: what was measured; parts may be missing.
        frames: to look at; each adds about 1.5 MB at 848x480.

    Raises:
        OSError: the file cannot be written.
    """
    by_distance, tables = summary.by_distance, make_tables(summary)
    page = make_template(read_asset("page.html")).render(
        title=title,
        summary=summary,
        made=describe_origin(),
        answers=answer_questions(summary),
        warnings=list_warnings(summary),
        right_infrared=describe_right_infrared(summary),
        tables=tables,
        missing=list_missing(summary),
        metrics=list_metrics(tables),
        few_frames=FEW_FRAMES,
        distance_sentence=describe_distances(by_distance) if by_distance else "",
        frames=[{"name": shown.frame.name, "views": make_views(shown)} for shown in frames],
        data={
            "frames": [pack_frame(shown) for shown in frames],
            "by_distance": asdict(by_distance) if by_distance else None,
            "colours": pictures.list_depth_colours(),
        },
        style=Markup(read_asset("style.css")),
        scripts=[Markup(text) for text in (get_plotlyjs(), read_asset("script.js"))],
        script_hash=_script_hash,
    )
    write_text(path, page)


def make_template(text: str) -> Template:
    """A page template that escapes its values."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["breakable"] = _breakable
    # Methods and depths keep their order: the camera first.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "allow_nan": False}
    return environment.from_string(text)


def _breakable(name: str) -> Markup:
    """A name that browsers may break after underscores, to keep columns narrow."""
    return escape(name).replace("_", Markup("_<wbr>"))


def read_asset(name: str, package: str = __package__) -> str:
    """A file of this folder, or of another package's."""
    return (resources.files(package) / name).read_text(encoding="utf-8")


def _script_hash(text: str) -> str:
    """The hash of a script, as in a content security policy."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def describe_origin() -> str:
    """Which version made a page, and when."""
    version = metadata.version("rs_denoise")
    return f"rs_denoise {version}, {datetime.now():%Y-%m-%d %H:%M}"
