"""The name, unit, direction and definition of every metric of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from rs_denoise.evaluation.metrics.metric import Better, Metric, MetricBlock


@dataclass(frozen=True)
class Accuracy(MetricBlock):
    """Against ground truth that is known and nearer than 6 m; `accuracy.py` computes it."""

    fill_pct: Metric = Metric(
        "Fill rate",
        "%",
        "Valid pixels, of those whose ground truth is known.",
        better=Better.HIGHER,
        digits=1,
        min_change=0.1,
    )
    mae_mm: Metric = Metric(
        "Mean error", "mm", "Mean absolute error of the depth.", digits=1, min_change=0.1
    )
    rmse_mm: Metric = Metric(
        "RMS error",
        "mm",
        "Root mean squared error of the depth; the worst pixels dominate it.",
        digits=1,
        min_change=0.1,
    )
    rel_pct: Metric = Metric(
        "Relative error",
        "%",
        "Mean absolute error as a fraction of the true depth.",
        min_change=0.01,
    )
    med_rel_pct: Metric = Metric(
        "Median error",
        "%",
        "Median absolute error as a fraction of the true depth.",
        min_change=0.01,
    )
    delta_105_pct: Metric = Metric(
        "Within 1.05",
        "%",
        "Pixels with max(truth / depth, depth / truth) below 1.05.",
        better=Better.HIGHER,
        digits=1,
        min_change=0.1,
    )
    delta_110_pct: Metric = Metric(
        "Within 1.10",
        "%",
        "Pixels with max(truth / depth, depth / truth) below 1.10.",
        better=Better.HIGHER,
        digits=1,
        min_change=0.1,
    )
    delta_125_pct: Metric = Metric(
        "Within 1.25",
        "%",
        "Pixels with max(truth / depth, depth / truth) below 1.25.",
        better=Better.HIGHER,
        digits=1,
        min_change=0.1,
    )
    bad5_pct: Metric = Metric(
        "Outliers", "%", "Valid pixels whose depth is wrong by more than 5 %.", min_change=0.02
    )
    false_free_pct: Metric = Metric(
        "False free space", "%", "Valid pixels that are more than 5 % too far.", min_change=0.02
    )
    false_obstacle_pct: Metric = Metric(
        "False obstacles",
        "%",
        "Valid pixels that are more than 5 % too near.",
        min_change=0.02,
        json_key="phantom_pct",
    )
    gross_pct: Metric = Metric(
        "Gross errors",
        "%",
        "Valid pixels more than 5 % off from every ground truth within 2 px.",
        min_change=0.02,
    )
    gross_near_pct: Metric = Metric(
        "Gross errors, too near",
        "%",
        "Valid pixels with a gross error that are nearer than the most similar of these truths.",
        min_change=0.02,
    )
    gross_far_pct: Metric = Metric(
        "Gross errors, too far",
        "%",
        "Valid pixels with a gross error that are farther than the most similar of these truths.",
        min_change=0.02,
    )
    flying_pct: Metric = Metric(
        "Flying pixels",
        "%",
        "Of the valid pixels within 5 px of a depth edge, those between its two sides and more "
        "than 5 % off.",
        min_change=0.02,
    )
    high_frequency_error_px: Metric = Metric(
        "High-frequency error",
        "px",
        "RMS of the disparity error inside surfaces, less its mean over 33 x 33 px; errors of "
        "1 px or more are left out.",
        digits=3,
        min_change=0.001,
        json_key="ripple_px",
    )
    interior_mae_px: Metric = Metric(
        "Interior error",
        "px",
        "Mean absolute disparity error outside the edge band.",
        digits=3,
        min_change=0.001,
    )
    edge_band_mae_px: Metric = Metric(
        "Edge-band error",
        "px",
        "Mean absolute disparity error within 7 px of a depth edge.",
        digits=3,
        min_change=0.001,
        json_key="rim_mae_px",
    )
    disparity_mae_px: Metric = Metric(
        "Disparity error",
        "px",
        "Mean absolute disparity error of all valid pixels.",
        digits=3,
        min_change=0.001,
    )
    disparity_median_px: Metric = Metric(
        "Median disparity error",
        "px",
        "Median absolute disparity error of all valid pixels.",
        digits=3,
        min_change=0.001,
    )
    thin_recall_pct: Metric = Metric(
        "Thin-object recall", "%",
        "Of foreground narrower than 9 px, the pixels whose depth is within 5 % of the truth.",
        better=Better.HIGHER, digits=1, min_change=0.1,
    )  # fmt: skip


@dataclass(frozen=True)
class ImageAgreement(MetricBlock):
    """Of frames with ground truth and both images; `image_agreement.py` computes it."""

    gross_confirmed_pct: Metric = Metric(
        "Gross errors that the images confirm",
        "%",
        "Of the gross errors, those where both infrared images agree better with the depth than "
        "with the ground truth.",
        better=Better.NEITHER,
        digits=1,
    )
    gross_refuted_pct: Metric = Metric(
        "Gross errors that the images refute",
        "%",
        "Of the gross errors, those where both infrared images agree better with the ground truth.",
        better=Better.NEITHER,
        digits=1,
    )


@dataclass(frozen=True)
class NoReference(MetricBlock):
    """Of single frames, without ground truth; `no_reference.py` computes it."""

    fill_pct: Metric = Metric(
        "Fill rate, all pixels",
        "%",
        "Valid pixels, of all pixels.",
        better=Better.HIGHER,
        digits=1,
        min_change=0.1,
    )
    plane_rms_mm: Metric = Metric(
        "Plane-fit RMS",
        "mm",
        "RMS distance from the planes fitted to flat surfaces (Intel).",
        digits=1,
        min_change=0.05,
    )
    plane_rms_pct: Metric = Metric(
        "Plane-fit RMS, relative",
        "%",
        "The plane-fit RMS as a fraction of the distance.",
        digits=3,
        min_change=0.005,
    )
    plane_subpixel_px: Metric = Metric(
        "Plane-fit RMS, disparity",
        "px",
        "The plane-fit RMS in pixels of disparity (Intel).",
        digits=3,
        min_change=0.001,
    )
    flying_ir_pct: Metric = Metric(
        "Flying pixels, estimated",
        "%",
        "Valid pixels more than 5 % from both sides of a depth step, where infrared has no edge.",
        min_change=0.02,
    )
    changed_median_pct: Metric = Metric(
        "Median change",
        "%",
        "Median absolute change of the camera's depth, as a fraction of it.",
        better=Better.NEITHER,
    )
    changed_bad_pct: Metric = Metric(
        "Changed by more than 5 %",
        "%",
        "Of the pixels valid in both, those changed by more than 5 %.",
        better=Better.NEITHER,
    )
    dropped_pct: Metric = Metric(
        "Dropped",
        "%",
        "Of the camera's valid pixels, those that became invalid.",
        better=Better.NEITHER,
    )
    filled_pct: Metric = Metric(
        "Filled",
        "%",
        "Of the camera's invalid pixels, those that became valid.",
        better=Better.NEITHER,
    )
    receded_pct: Metric = Metric(
        "Receded pixels",
        "%",
        "Of the pixels valid in both, those moved farther away by more than the gate allows.",
        min_change=0.005,
    )
    z_accuracy_pct: Metric = Metric(
        "Z accuracy", "%", "Median signed error at a wall of known distance (Intel).",
        better=Better.NEITHER,
    )  # fmt: skip

    def to_json(self) -> dict[str, float | None]:
        """Values by JSON key; Z accuracy only where a wall of known distance was measured."""
        values = super().to_json()
        if values["z_accuracy_pct"] is None:
            del values["z_accuracy_pct"]
        return values


@dataclass(frozen=True)
class TemporalNoise(MetricBlock):
    """Over the stretches of a recording in which nothing moves; `temporal.py` computes it."""

    temporal_noise_pct: Metric = Metric(
        "Temporal noise",
        "%",
        "Median over the pixels of standard deviation / median over still frames (Intel).",
        digits=3,
        min_change=0.002,
    )
    temporal_noise_same_pct: Metric = Metric(
        "Temporal noise, same pixels",
        "%",
        "The temporal noise over the pixels that the camera has too.",
        digits=3,
        min_change=0.002,
    )
    temporal_noise_same_raw_pct: Metric = Metric(
        "Camera's temporal noise, same pixels",
        "%",
        "The camera's temporal noise over the same pixels.",
        better=Better.NEITHER,
        digits=3,
    )
    flicker_pct: Metric = Metric(
        "Flicker",
        "%",
        "Of the pixels that do not move, those that change between valid and invalid from one "
        "frame to the next.",
        min_change=0.02,
    )
    still_frames: Metric = Metric(
        "Still frames", "", "How many frames the temporal metrics are measured over.",
        better=Better.NEITHER, digits=0,
    )  # fmt: skip

    def is_measured(self) -> bool:
        """Whether any frames stood still."""
        return self.still_frames > 0


@dataclass(frozen=True)
class ObstacleCells(MetricBlock):
    """Cells of a Nav2 obstacle layer; `obstacles.py` computes it."""

    marked_cells: Metric = Metric(
        "Marked cells",
        "",
        "Cells of an obstacle layer that depth marks as occupied.",
        better=Better.NEITHER,
        digits=1,
    )
    false_obstacle_cells: Metric = Metric(
        "False obstacle cells",
        "",
        "Marked cells that touch none of those that ground truth marks.",
        digits=1,
        min_change=1.0,
        json_key="phantom_cells",
    )
    missed_cells: Metric = Metric(
        "Missed cells",
        "",
        "Cells that ground truth marks and that touch no marked cell.",
        digits=1,
        min_change=1.0,
    )
    appeared_cells: Metric = Metric(
        "Appeared cells",
        "",
        "Marked cells that touch none of the camera's.",
        better=Better.NEITHER,
        digits=1,
    )
    disappeared_cells: Metric = Metric(
        "Disappeared cells", "", "Cells that the camera marks and that touch no marked cell.",
        better=Better.NEITHER, digits=1,
    )  # fmt: skip
    frames: Metric = Metric(
        "Frames", "", "How many frames the obstacle metrics are measured over.",
        better=Better.NEITHER, digits=0,
    )  # fmt: skip


@dataclass(frozen=True)
class ConfidenceQuality(MetricBlock):
    """How well confidence predicts errors, before any gate; `confidence.py` computes it."""

    rmse_at_100_mm: Metric = Metric(
        "RMS error, all pixels",
        "mm",
        "RMS error of all pixels, before any gate.",
        better=Better.NEITHER,
        digits=1,
    )
    rmse_at_90_mm: Metric = Metric(
        "RMS error, most confident 90 %",
        "mm",
        "RMS error of the most confident 90 % of the pixels.",
        better=Better.NEITHER,
        digits=1,
    )
    ause: Metric = Metric(
        "AUSE",
        "",
        "Area under the sparsification error curve: 0 if confidence sorts the errors perfectly "
        "(Ilg et al. 2018).",
        better=Better.NEITHER,
        digits=3,
    )
    calibration_error: Metric = Metric(
        "Calibration error", "",
        "Expected calibration error: mean difference of confidence and how often it is right "
        "(Naeini et al. 2015).",
        better=Better.NEITHER, digits=3,
    )  # fmt: skip


# A method's metrics that are compared with another metric of the same block, which is the camera's
# over the same pixels, instead of with the same metric of raw depth.
CAMERA_METRICS: dict[Metric, Metric] = {
    TemporalNoise.temporal_noise_same_pct: TemporalNoise.temporal_noise_same_raw_pct
}


def read_camera(metric: Metric, camera: MetricBlock, method: MetricBlock) -> float:
    """The camera's value with which a method's metric is compared, from the blocks of both."""
    own = CAMERA_METRICS.get(metric)
    return metric.of(camera) if own is None else own.of(method)
