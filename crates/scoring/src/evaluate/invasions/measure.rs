//! The measures of a predicted frame, as one list: tables, files and figures are loops over it.

use super::score::{DomainScore, FrameScore};

/// A measure of one frame of one domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Mean squared error inside the pore space.
    Mse,
    /// Mean squared error over the whole image, for comparison with published figures.
    WholeImageMse,
    /// Intersection over union of the invaded region.
    Iou,
    /// Dice coefficient of the invaded region.
    Dice,
    /// True positives over predicted positives.
    Precision,
    /// True positives over actual positives.
    Recall,
    /// |predicted - true saturation|.
    SaturationError,
    /// |predicted - true position of the furthest invaded pixel|, as a fraction of the length.
    FrontError,
    /// The same for the front position averaged over the width.
    MeanFrontError,
    /// Share of the predicted invaded region that is connected to the inlet.
    Connected,
    /// |predicted - true Euler characteristic|.
    EulerError,
    /// Share of the pixels predicted as invaded that un-invade until the next frame (see [`FrameScore::retreat`]).
    Retreat,
}

impl Measure {
    /// All measures, in the order of the tables.
    pub const ALL: [Self; 12] = [
        Self::Mse,
        Self::WholeImageMse,
        Self::Iou,
        Self::Dice,
        Self::Precision,
        Self::Recall,
        Self::SaturationError,
        Self::FrontError,
        Self::MeanFrontError,
        Self::Connected,
        Self::EulerError,
        Self::Retreat,
    ];

    /// Name in files: a column of CSV, a key of JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Mse => "mse",
            Self::WholeImageMse => "whole_image_mse",
            Self::Iou => "iou",
            Self::Dice => "dice",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::SaturationError => "saturation_error",
            Self::FrontError => "front_error",
            Self::MeanFrontError => "mean_front_error",
            Self::Connected => "connected",
            Self::EulerError => "euler_error",
            Self::Retreat => "retreat",
        }
    }

    /// Heading in tables for readers.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Mse => "MSE",
            Self::WholeImageMse => "MSE, whole image",
            Self::Iou => "IoU",
            Self::Dice => "Dice",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::SaturationError => "|ΔS|",
            Self::FrontError => "|Δ front|",
            Self::MeanFrontError => "|Δ mean front|",
            Self::Connected => "connected",
            Self::EulerError => "|Δ Euler|",
            Self::Retreat => "retreat",
        }
    }

    /// Title of a figure.
    pub fn title(self) -> &'static str {
        match self {
            Self::Mse => "Mean squared error in the pore space",
            Self::WholeImageMse => "Mean squared error over the whole image",
            Self::Iou => "Intersection over union",
            Self::Dice => "Dice coefficient",
            Self::Precision => "Precision",
            Self::Recall => "Recall",
            Self::SaturationError => "Error of the saturation",
            Self::FrontError => "Error of the front",
            Self::MeanFrontError => "Error of the mean front",
            Self::Connected => "Connected to the inlet",
            Self::EulerError => "Error of the Euler characteristic",
            Self::Retreat => "Retreat",
        }
    }

    /// Name of an axis: the unit, and which end is better.
    pub fn axis(self) -> &'static str {
        match self {
            Self::Mse | Self::WholeImageMse => "probability²; lower is better",
            Self::Iou | Self::Dice | Self::Precision | Self::Recall => "fraction; higher is better",
            Self::SaturationError => "fraction of the pore space; lower is better",
            Self::FrontError | Self::MeanFrontError => "fraction of the length; lower is better",
            Self::Connected => "fraction of the invaded pixels; higher is better",
            Self::EulerError => "pieces minus holes; lower is better",
            Self::Retreat => "fraction of the invaded pixels; lower is better",
        }
    }

    /// What it is, in a sentence for readers.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Mse => "mean of (p - g)² over the pore space, p the predicted probability and g the truth",
            Self::WholeImageMse => {
                "the same over the whole image, solid included, as some published figures have it"
            }
            Self::Iou => "intersection over union of the invaded region (p > 0.5); 1 when both are empty",
            Self::Dice => "twice the intersection over the sum of both regions; 1 when both are empty",
            Self::Precision => "share of the predicted invasion that is true; 1 when nothing is predicted",
            Self::Recall => "share of the true invasion that is predicted; 1 when nothing is invaded",
            Self::SaturationError => {
                "absolute error of the saturation (the mean probability), a fraction of the pore space"
            }
            Self::FrontError => "absolute error of the furthest invaded position, a fraction of the length",
            Self::MeanFrontError => {
                "absolute error of the front position averaged over the width, a fraction of the length"
            }
            Self::Connected => {
                "share of the predicted invaded pixels joined to the inlet through pixel edges; 1 when there are none"
            }
            Self::EulerError => "absolute error of the Euler characteristic (pieces minus holes)",
            Self::Retreat => "share of the pixels predicted as invaded in one frame that are not in the next",
        }
    }

    /// Value in a frame of a domain.
    pub fn of(self, domain: &DomainScore, frame: &FrameScore) -> f64 {
        let length = domain.length.max(1) as f64;
        match self {
            Self::Mse => frame.mse,
            Self::WholeImageMse => frame.whole_image_mse,
            Self::Iou => frame.counts.iou(),
            Self::Dice => frame.counts.dice(),
            Self::Precision => frame.counts.precision(),
            Self::Recall => frame.counts.recall(),
            Self::SaturationError => (frame.saturation - frame.true_saturation).abs(),
            Self::FrontError => frame.front.abs_diff(frame.true_front) as f64 / length,
            Self::MeanFrontError => (frame.mean_front - frame.true_mean_front).abs() / length,
            Self::Connected => frame.connected,
            Self::EulerError => frame.euler.abs_diff(frame.true_euler) as f64,
            Self::Retreat => frame.retreat.fraction(),
        }
    }
}
